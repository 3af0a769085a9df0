//! The actors as a whole: over a real ledger, with passivation, faults and restarts.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod auditor;
mod breakdowns;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod million;
#[cfg(test)]
mod passivation;
#[cfg(test)]
mod payments;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod random;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod sign_up;
#[cfg(test)]
mod standing;
#[cfg(test)]
mod ten_million;
#[cfg(test)]
mod version_1;
#[cfg(test)]
mod version_3;
