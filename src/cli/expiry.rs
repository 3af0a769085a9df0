//! Until when something is to hold, as it is said on the command line.

use std::time::Duration;

use clap::Args;

use super::args::time;
use super::call::from_now_ms;
use crate::config;

/// One or the other, or for ever. Beside an idempotency key only the date is the same when it is said
/// again, and with it what is asked for.
#[derive(Debug, Args)]
pub struct Expiry {
    /// How long it lasts, such as `12h` or `30d` [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires_after: Option<Duration>,
    /// Until when it lasts, such as `2027-01-31` or `2027-01-31T09:00:00Z`
    #[arg(long, value_name = "DATE", value_parser = date, conflicts_with = "expires_after")]
    expires_at: Option<u64>,
}

impl Expiry {
    /// In milliseconds since 1970.
    pub(super) fn at_ms(&self) -> Option<u64> {
        self.expires_at.or_else(|| self.expires_after.map(from_now_ms))
    }
}

fn date(text: &str) -> Result<u64, String> {
    let date = config::date::parse(text);
    date.ok_or_else(|| {
        format!("`{text}` is no date such as `2027-01-31` or `2027-01-31T09:00:00Z`")
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Cli;
    use super::*;

    #[test]
    fn dates_are_whole_days_or_instants() {
        assert_eq!(date("1970-01-02"), Ok(86_400_000));
        assert_eq!(date("1970-01-01T00:00:01Z"), Ok(1_000));
        assert!(date("30d").is_err());
    }

    #[test]
    fn what_is_asked_again_under_a_key_is_the_same() {
        for command in [
            "codes create --name n --amount 1",
            "accounts grant acct_0000000000000001 --amount 1 --kind paid --reference r",
            "tokens create --name n --role admin",
        ] {
            let with = |rest: &str| {
                let line = format!("infergate {command} --idempotency-key k {rest}");
                Cli::try_parse_from(line.trim_end().split(' '))
            };
            assert!(with("").is_ok() && with("--expires-at 2027-01-31").is_ok(), "{command}");
            assert_eq!(with("--expires-after 30d").unwrap_err().exit_code(), 2, "{command}");
        }
    }
}
