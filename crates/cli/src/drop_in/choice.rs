//! Which messages of either side take part: by SEARCH, else by their age.

use jiff::{SignedDuration, Zoned};
use mailferry_run::arrivals::Arrivals;
use mailferry_store::contract::Selection;

use super::task::Unusable;
use crate::imapsync::{ExitStatus, ImapsyncOptions};

/// What chooses messages of one side.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) search: Selection,
    pub(super) arrivals: Arrivals,
}

/// A search wins over ages. An age is that of the Date header, in whole days, which SEARCH knows; where
/// SEARCH is not to be trusted it is that of the arrival, to the second.
pub(super) fn chosen(options: &ImapsyncOptions, now: &Zoned) -> Result<[Choice; 2], Unusable> {
    let (sent, arrived) = (ages(options, now)?, arrivals(options, now)?);
    let messages = &options.messages;
    let of_side = |search: &Option<String>, by_arrival: bool| match search {
        Some(keys) => Choice { search: Selection(Some(keys.clone().into())), ..Choice::default() },
        None if by_arrival => Choice { arrivals: arrived, ..Choice::default() },
        None => Choice { search: Selection(sent.clone()), ..Choice::default() },
    };
    let [search1, search2] = &messages.searches;
    let [by_arrival1, by_arrival2] = messages.by_arrival;
    Ok([of_side(search1, by_arrival1), of_side(search2, by_arrival2)])
}

fn arrivals(options: &ImapsyncOptions, now: &Zoned) -> Result<Arrivals, Unusable> {
    let now = now.timestamp().as_second();
    let limit = |option, days: Option<f64>| {
        days.map(|days| seconds(option, days).map(|seconds| now - seconds)).transpose()
    };
    Ok(Arrivals {
        since: limit("--maxage", options.messages.age_days_max)?,
        until: limit("--minage", options.messages.age_days_min)?,
    })
}

/// The search keys of the ages: what is neither too old nor too new, or, where the limits leave
/// nothing between them, either (RFC 9051 §6.4.4).
fn ages(options: &ImapsyncOptions, now: &Zoned) -> Result<Option<Vec<u8>>, Unusable> {
    let (oldest, newest) = (options.messages.age_days_max, options.messages.age_days_min);
    let since = oldest.map(|days| day_ago("--maxage", days, now)).transpose()?;
    let before = newest.map(|days| day_ago("--minage", days, now)).transpose()?;
    Ok(match (since, before) {
        (None, None) => None,
        (Some(since), None) => Some(format!("SENTSINCE {since}")),
        (None, Some(before)) => Some(format!("SENTBEFORE {before}")),
        (Some(since), Some(before)) if newest <= oldest => {
            Some(format!("SENTSINCE {since} SENTBEFORE {before}"))
        }
        (Some(since), Some(before)) => Some(format!("OR SENTSINCE {since} SENTBEFORE {before}")),
    }
    .map(String::into_bytes))
}

/// The local date of so many days ago.
fn day_ago(option: &str, days: f64, now: &Zoned) -> Result<String, Unusable> {
    let then = now.checked_sub(SignedDuration::from_secs(seconds(option, days)?));
    let then = then
        .map_err(|error| Unusable::new(ExitStatus::Usage, format!("{option} {days}: {error}")))?;
    Ok(then.strftime("%-d-%b-%Y").to_string())
}

fn seconds(option: &str, days: f64) -> Result<i64, Unusable> {
    let seconds = days * 86_400.0;
    if !seconds.is_finite() || !(0.0..1e11).contains(&seconds) {
        return Err(Unusable::new(ExitStatus::Usage, format!("{option} {days} is no age in days")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be below 1e11")]
    Ok(seconds as i64)
}
