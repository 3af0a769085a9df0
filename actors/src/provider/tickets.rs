//! The requests under way at one provider. Pure.

use std::time::Duration;

use super::breaker::Permit;
use super::credential::CredentialId;
use super::outcome::DeploymentIndex;

/// The number of a request that was let through. A number that has ended is not valid again until its
/// place has been used four billion times more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TicketId {
    place: u32,
    turn: u32,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Active {
    pub(super) deployment: DeploymentIndex,
    pub(super) credential: CredentialId,
    pub(super) permit: Permit,
    /// Tokens taken for it.
    pub(super) tokens: u64,
    pub(super) since: Duration,
    /// Nobody's request: it decides about the breaker and about nothing else.
    pub(super) health_probe: bool,
}

/// A table whose places are used again: once it has grown, nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place {
    turn: u32,
    active: Option<Active>,
}

impl Tickets {
    /// Opens a ticket; `None` when there are four billion.
    pub(super) fn open(&mut self, active: Active) -> Option<TicketId> {
        if let Some(number) = self.free.pop()
            && let Some(place) = self.place(number)
        {
            place.active = Some(active);
            return Some(TicketId { place: number, turn: place.turn });
        }
        let number = u32::try_from(self.places.len()).ok()?;
        self.places.push(Place { turn: 0, active: Some(active) });
        Some(TicketId { place: number, turn: 0 })
    }

    /// The request of an open ticket.
    pub(super) fn get_mut(&mut self, ticket: TicketId) -> Option<&mut Active> {
        let place = self.place(ticket.place).filter(|place| place.turn == ticket.turn)?;
        place.active.as_mut()
    }

    /// Ends a ticket; `None` when it has ended before.
    pub(super) fn end(&mut self, ticket: TicketId) -> Option<Active> {
        let place = self.place(ticket.place).filter(|place| place.turn == ticket.turn)?;
        let active = place.active.take()?;
        place.turn = place.turn.wrapping_add(1);
        self.free.push(ticket.place);
        Some(active)
    }

    /// How long the oldest has been open.
    pub(super) fn oldest(&self, now: Duration) -> Option<Duration> {
        let open = self.places.iter().filter_map(|place| place.active.as_ref());
        open.map(|active| now.saturating_sub(active.since)).max()
    }

    fn place(&mut self, number: u32) -> Option<&mut Place> {
        self.places.get_mut(usize::try_from(number).ok()?)
    }
}
