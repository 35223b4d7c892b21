//! `mailferry demo`: two IMAP servers in this process, one with sample mail, and a real sync
//! between them over sockets; then a second one, with nothing to do.

use std::sync::Arc;
use std::time::Duration;

use mailferry_engine::guard::GuardLimits;
use mailferry_engine::mapping::SpecialUseMapping;
use mailferry_engine::policy::Rules;
use mailferry_imap::credentials::Credentials;
use mailferry_imap::login::{Endpoint, Family, Introduction, Security};
use mailferry_imap::tls::TlsPolicy;
use mailferry_run::job::{Job, Naming};
use mailferry_store::imap::compression::Compression;
use mailferry_testkit::sim::{Profile, Server, sample};

use super::options::Output;
use super::render::plan_text;
use super::task::UsageError;
use super::verbs::{Answer, Run};
use crate::imapsync::exit_status::ExitStatus;
use crate::screen;
use crate::servers::{Login, Servers};

/// The sample mail is always the same.
const SEED: u64 = 2026;

pub(super) async fn run(output: Output) -> Result<ExitStatus, UsageError> {
    let failed = |error: std::io::Error| {
        UsageError::new(
            format!("no server can be started here: {error}"),
            "the demo needs a free port on 127.0.0.1",
        )
    };
    let source = Server::bind(Profile::modern(), [sample::source(SEED)]).await.map_err(failed)?;
    let target =
        Server::bind(sample::target_profile(), [sample::target(SEED)]).await.map_err(failed)?;
    let servers = Servers::new(login(source.addr()), login(target.addr()), Arc::new(screen::news));
    let say = |text: &str| {
        if !output.json {
            screen::line(text);
        }
    };
    say(&format!("source: an account with sample mail on {}, hierarchy `/`", source.addr()));
    say(&format!("target: an empty account on {}, hierarchy `.`, below `INBOX.`\n", target.addr()));
    let mut status = ExitStatus::Ok;
    for title in ["first run: the plan, then the copy", "\nsecond run: nothing is left to do"] {
        say(title);
        let run = Run::new(servers.clone(), job(), GuardLimits::modern(), output);
        let outcome = run.carry_out(|plan| {
            say(&plan_text(plan));
            Answer::Go
        });
        status = outcome.await;
        if status != ExitStatus::Ok {
            break;
        }
    }
    Ok(status)
}

fn login(address: std::net::SocketAddr) -> Login {
    Login {
        endpoint: Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
            security: Security::ClearText,
            tls: TlsPolicy::default(),
            proxy: None,
            family: Family::Any,
            trace: None,
            meter: None,
            introduction: Introduction::Given,
            silence_max: Duration::from_secs(30),
        },
        credentials: Credentials::with_password(sample::USER, sample::PASSWORD),
        token: None,
        compression: Compression::Never,
        second_way: None,
    }
}

fn job() -> Job {
    let naming = Naming { special_use: SpecialUseMapping::On, ..Naming::default() };
    Job { naming, ..Job::new(Rules::sync()) }
}
