//! What signals do to a run.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use mailferry_run::stop::Stop;

use super::journal::Log;
use crate::imapsync::settings::{Signal, Signals};

/// The status that the shell is to see after a signal that ended the run; 0 without one.
static ENDED_BY: AtomicU8 = AtomicU8::new(0);

/// How long what is in flight may take to finish after such a signal.
const PATIENCE: Duration = Duration::from_secs(10);

/// The status that the shell is to see after a signal that ended the run; 0 without one.
pub(super) fn ended_by() -> u8 {
    ENDED_BY.load(Ordering::Relaxed)
}

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// The first asks the run to stop after what is in flight, the second ends it.
    Finish,
    /// It ends the run, with the status that the shell sees of a process ended by it.
    End,
    /// It is told and nothing else.
    Nothing,
}

fn effect(signal: Signal, wished: &Signals) -> Effect {
    if wished.ignored.contains(&signal) {
        return Effect::Nothing;
    }
    match signal {
        _ if wished.ending.contains(&signal) => Effect::End,
        Signal::Interrupt => Effect::Finish,
        Signal::Terminate | Signal::Quit => Effect::End,
        // A terminal that goes away is no reason to leave the mail where it is.
        Signal::HangUp => Effect::Nothing,
    }
}

/// Hears of signals; answers what they ask to stop.
pub(super) fn stop_when_told(log: &'static Log, wished: &Signals) -> Stop {
    let stop = Stop::default();
    #[cfg(unix)]
    for signal in Signal::EVERY {
        tokio::spawn(hear(log, (signal, effect(signal, wished)), stop.clone()));
    }
    #[cfg(not(unix))]
    {
        let (asked, _) = (stop.clone(), effect(Signal::Interrupt, wished));
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                asked.ask();
                log.line("Got a signal: what is in flight is finished");
            }
        });
    }
    stop
}

#[cfg(unix)]
async fn hear(log: &'static Log, (which, effect): (Signal, Effect), stop: Stop) {
    use tokio::signal::unix::{SignalKind, signal};
    let (kind, name, status) = match which {
        Signal::Interrupt => (SignalKind::interrupt(), "INT", 130),
        Signal::Terminate => (SignalKind::terminate(), "TERM", 143),
        Signal::Quit => (SignalKind::quit(), "QUIT", 131),
        Signal::HangUp => (SignalKind::hangup(), "HUP", 129),
    };
    let Ok(mut signals) = signal(kind) else { return };
    while signals.recv().await.is_some() {
        match effect {
            Effect::Nothing => log.line(&format!("Got the signal {name}, which changes nothing")),
            Effect::Finish if stop.is_asked() => std::process::exit(i32::from(status)),
            Effect::Finish => {
                stop.ask();
                log.line("Got a signal: what is in flight is finished; once more to stop at once");
            }
            Effect::End => {
                ENDED_BY.store(status, Ordering::Relaxed);
                stop.ask();
                log.line(&format!("Killing myself with signal {name}"));
                log.line("Ended by a signal: what is in flight is finished");
                tokio::time::sleep(PATIENCE).await;
                std::process::exit(i32::from(status));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignoring_a_signal_wins() {
        let wished = Signals {
            ignored: vec![Signal::Interrupt],
            ending: vec![Signal::Interrupt, Signal::HangUp],
        };
        assert_eq!(effect(Signal::Interrupt, &wished), Effect::Nothing);
        assert_eq!(effect(Signal::HangUp, &wished), Effect::End);
        assert_eq!(effect(Signal::Interrupt, &Signals::default()), Effect::Finish);
        assert_eq!(effect(Signal::Quit, &Signals::default()), Effect::End);
        assert_eq!(effect(Signal::HangUp, &Signals::default()), Effect::Nothing);
    }
}
