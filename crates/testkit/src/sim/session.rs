//! A session: greeting, states, and one command after the other.

use super::account::Account;
use super::auth::Login;
use super::command::{self, Command, Needs};
use super::fault::Effect;
use super::gate::Moment;
use super::modseq::Aware;
use super::parse::{Cursor, Parsed, Part, Refusal};
use super::profile::{Codes, Extension, LoginPolicy, Profile};
use super::reader::{self, Received};
use super::sequence::By;
use super::server::{Admission, State};
use super::strain::Relief;
use super::view::{Expunges, Telling, View};
use super::wire::{Hangup, Out, Stream, Wire};

/// The text of a tagged OK, response code included, or why there is none.
pub(super) type Answer = Parsed<String>;

/// Whether octets travel under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    Clear,
    Tls,
}

/// What a connection knows between two commands.
pub(super) struct Session {
    pub(super) state: State,
    pub(super) security: Security,
    pub(super) login: Option<Login>,
    pub(super) view: Option<View>,
    /// What the client has shown it knows of mod-sequences.
    pub(super) aware: Aware,
    number: u32,
    bad_commands: u32,
}

/// A session and the wire it talks over.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) session: Session,
}

/// Whether the connection goes on after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Command,
    End,
}

/// Serves a connection until it ends.
pub(super) async fn run(stream: Box<dyn Stream>, state: State, security: Security) {
    let admission = state.admit();
    let number = admission.number;
    let mut connection = Connection {
        wire: Wire::new(stream, state.clone(), number),
        session: Session {
            state,
            security,
            login: None,
            view: None,
            aware: Aware::Nothing,
            number,
            bad_commands: 0,
        },
    };
    // However it ended, the client sees the end; there is nobody else to tell.
    let _ = connection.converse(&admission).await;
    // Places are free again before the client sees the end and comes back.
    drop(connection.session);
    drop(admission);
    connection.wire.close().await;
}

impl Connection {
    async fn converse(&mut self, admission: &Admission) -> Result<(), Hangup> {
        let profile = self.session.state.profile();
        if profile.limits.connections_max.is_some_and(|most| admission.open > most) {
            return self.wire.put(b"* BYE [UNAVAILABLE] Too many connections\r\n").await;
        }
        let code = match profile.capabilities_in_greeting {
            true => format!("[CAPABILITY {}] ", self.session.capabilities()),
            false => String::new(),
        };
        let greeting = format!("* OK {code}{}\r\n", profile.greeting);
        self.wire.put(greeting.as_bytes()).await?;
        while self.turn().await? == Next::Command {}
        Ok(())
    }

    async fn turn(&mut self) -> Result<Next, Hangup> {
        let (parts, early, next) = match reader::receive(&mut self.wire, &self.session).await? {
            Received::Command(parts) => (parts, None, Next::Command),
            Received::Refused(parts, refusal) => (parts, Some(refusal), Next::Command),
            Received::Fatal(parts, refusal) => (parts, Some(refusal), Next::End),
        };
        let tag = reader::tag(&parts);
        let mut cursor = Cursor::new(&parts);
        let name = reader::command_name(&mut cursor);
        let label = name.as_deref().unwrap_or_default();
        self.session.state.note(self.session.number, &log_line(label, &parts));
        pass_gate(&self.session.state, Moment::Received).await?;
        let effect = self.session.state.faults().at_command(label, self.wire.progress());
        let unanswered = effect == Some(Effect::CutUnanswered);
        match effect {
            None => {}
            Some(Effect::Cut) => return Err(Hangup::Cut),
            Some(Effect::CutUnanswered | Effect::Mute) => self.wire.mute(),
            Some(Effect::No(text)) => return self.tagged(&tag, Err(Refusal::No(text))).await,
            Some(Effect::Bad(text)) => return self.tagged(&tag, Err(Refusal::Bad(text))).await,
            Some(Effect::Bye(text)) => return self.bye(&text).await,
        }
        if let Some(relief) = self.relief(label) {
            return self.put_off(&tag, relief).await;
        }
        let done = match (early, &name) {
            (Some(refusal), _) => self.tagged(&tag, Err(refusal)).await?,
            (None, Err(refusal)) => self.tagged(&tag, Err(refusal.clone())).await?,
            (None, Ok(name)) => {
                let before = self.wire.progress();
                let done = self.carry_out(&tag, name, cursor).await?;
                let sent = self.wire.progress().sent - before.sent;
                self.session.note_moved(name, (sent, octets_of(&parts)));
                done
            }
        };
        pass_gate(&self.session.state, Moment::Answered).await?;
        if unanswered {
            return Err(Hangup::Cut);
        }
        match next {
            Next::Command => Ok(done),
            Next::End => self.bye("The command cannot be told from what follows it").await,
        }
    }

    async fn carry_out(
        &mut self,
        tag: &str,
        name: &str,
        cursor: Cursor<'_>,
    ) -> Result<Next, Hangup> {
        let command = command::parse(name, cursor, self.session.profile())
            .and_then(|command| self.session.check_state(command));
        let command = match command {
            Ok(command) => command,
            Err(refusal) => return self.tagged(tag, Err(refusal)).await,
        };
        let expunges = match name {
            "FETCH" | "STORE" | "SEARCH" => Expunges::Withheld,
            _ => Expunges::Told,
        };
        let answer = match command {
            Command::Logout => {
                self.wire.put(b"* BYE Logging out\r\n").await?;
                self.tagged(tag, Ok("Logout completed".to_owned())).await?;
                return Ok(Next::End);
            }
            Command::StartTls => return self.start_tls(tag).await,
            Command::Compress => return self.compress(tag).await,
            Command::Authenticate { mechanism, initial } => {
                self.authenticate(&mechanism, initial).await?
            }
            Command::Fetch(arguments) => self.fetch(arguments).await?,
            command => {
                let mut out = Out::default();
                let answer = self.session.dispatch(command, tag, &mut out);
                self.wire.send(out).await?;
                answer
            }
        };
        let mut out = Out::default();
        if self.session.announce(&mut out, expunges).is_err() {
            self.tagged(tag, answer).await?;
            return self.bye("Selected mailbox was deleted").await;
        }
        self.wire.send(out).await?;
        self.tagged(tag, answer).await
    }

    /// Why a command is put off, where the server asks to be left alone.
    fn relief(&self, name: &str) -> Option<Relief> {
        if self.session.login.is_none() || matches!(name, "LOGOUT" | "CAPABILITY" | "ID") {
            return None;
        }
        let state = &self.session.state;
        state.strain().at_command(name, &state.profile().habits)
    }

    async fn put_off(&mut self, tag: &str, relief: Relief) -> Result<Next, Hangup> {
        match relief {
            Relief::Answer(refusal) => self.tagged(tag, Err(refusal)).await,
            Relief::AnswerAndBye(refusal, words) => {
                self.tagged(tag, Err(refusal)).await?;
                self.bye(words).await
            }
            Relief::Bye(words) => self.bye(&words).await,
        }
    }

    pub(super) async fn tagged(&mut self, tag: &str, answer: Answer) -> Result<Next, Hangup> {
        let codes = self.session.profile().codes;
        let line = match &answer {
            Ok(text) => format!("{tag} OK {text}\r\n"),
            Err(Refusal::No(text)) => format!("{tag} NO {}\r\n", without_code(text, codes)),
            Err(Refusal::Bad(text)) => format!("{tag} BAD {text}\r\n"),
        };
        self.wire.put(line.as_bytes()).await?;
        if let Err(Refusal::Bad(words)) = &answer {
            self.session.bad_commands += 1;
            self.session.state.note_bad(words);
            if self.session.bad_commands >= self.session.profile().limits.bad_commands_max {
                return self.bye("Too many invalid commands").await;
            }
        }
        Ok(Next::Command)
    }

    pub(super) async fn bye(&mut self, text: &str) -> Result<Next, Hangup> {
        self.wire.put(format!("* BYE {text}\r\n").as_bytes()).await?;
        Ok(Next::End)
    }

    async fn start_tls(&mut self, tag: &str) -> Result<Next, Hangup> {
        let config = self.session.profile().tls.clone();
        let Some(config) = config.filter(|_| self.session.security == Security::Clear) else {
            return self.tagged(tag, Err(Refusal::bad("TLS is active already"))).await;
        };
        if self.wire.has_input() {
            // Octets sent in clear must never be taken for octets under TLS.
            self.tagged(tag, Err(Refusal::bad("Input after STARTTLS"))).await?;
            return self.bye("Input after STARTTLS").await;
        }
        self.tagged(tag, Ok("Begin TLS negotiation now".to_owned())).await?;
        self.wire.upgrade(config).await?;
        self.session.security = Security::Tls;
        Ok(Next::Command)
    }
}

impl Session {
    pub(super) fn profile(&self) -> &Profile {
        self.state.profile()
    }

    /// The account logged in to.
    pub(super) fn account(&self) -> Parsed<Account> {
        let login = self.login.as_ref().ok_or_else(|| Refusal::bad("Log in first"))?;
        Ok(login.account().clone())
    }

    /// The selected mailbox.
    pub(super) fn view(&mut self) -> Parsed<&mut View> {
        self.view.as_mut().ok_or_else(no_mailbox)
    }

    /// What CAPABILITY tells now: little before login, as Dovecot does, so that a client that
    /// does not ask again misses most of it.
    pub(super) fn capabilities(&self) -> String {
        let profile = self.profile();
        let mut words = vec!["IMAP4rev1".to_owned()];
        let clear = self.security == Security::Clear;
        if self.login.is_none() {
            if profile.has(Extension::StartTls) && clear {
                words.push("STARTTLS".to_owned());
            }
            match profile.login {
                LoginPolicy::Allowed => {}
                LoginPolicy::UnderTls if !clear => {}
                LoginPolicy::UnderTls | LoginPolicy::Never => {
                    words.push("LOGINDISABLED".to_owned());
                }
            }
            if profile.has(Extension::AuthPlain) && self.check_login_policy().is_ok() {
                words.push("AUTH=PLAIN".to_owned());
            }
        }
        if self.login.is_some() {
            words.extend(profile.habits.capabilities.iter().map(|&word| word.to_owned()));
        }
        for extension in Extension::EVERY {
            let word = match extension {
                Extension::StartTls | Extension::AuthPlain => continue,
                _ if !profile.has(extension) => continue,
                _ if self.login.is_none() && !extension.is_told_before_login() => continue,
                Extension::AppendLimit => match profile.limits.append_octets_max {
                    Some(most) => format!("APPENDLIMIT={most}"),
                    None => "APPENDLIMIT".to_owned(),
                },
                _ => extension.capability().to_owned(),
            };
            words.push(word);
        }
        words.join(" ")
    }

    fn check_state(&self, command: Command) -> Parsed<Command> {
        match command.needs() {
            Needs::NoLogin if self.login.is_some() => Err(Refusal::bad("Logged in already")),
            Needs::Login | Needs::Mailbox if self.login.is_none() => {
                Err(Refusal::bad("Log in first"))
            }
            Needs::Mailbox if self.view.is_none() => Err(no_mailbox()),
            _ => Ok(command),
        }
    }

    fn dispatch(&mut self, command: Command, tag: &str, out: &mut Out) -> Answer {
        match command {
            Command::Capability => {
                out.line(format!("* CAPABILITY {}", self.capabilities()));
                done("Capability")
            }
            Command::Noop => done("Noop"),
            Command::Check => done("Check"),
            Command::Id => {
                out.line("* ID (\"name\" \"mailferry-sim\")");
                done("Id")
            }
            Command::Enable { names } => self.enable(&names, out),
            Command::Login { user, password } => self.log_in(&user, &password),
            Command::Open(arguments) => self.open(&arguments, out),
            Command::Create { name, uses } => self.create(&name, uses),
            Command::Delete { name } => self.delete(&name),
            Command::Rename { from, to } => self.rename(&from, &to),
            Command::Subscribe { name } => self.subscribe(&name),
            Command::Unsubscribe { name } => self.unsubscribe(&name),
            Command::Close => self.close(),
            Command::Unselect => {
                self.view = None;
                done("Unselect")
            }
            Command::Namespace => self.namespace(out),
            Command::List(arguments) => self.list(&arguments, out),
            Command::Lsub { reference, pattern } => self.lsub(&reference, &pattern, out),
            Command::Status { name, items } => self.status(&name, &items, out),
            Command::Append(arguments) => self.append(arguments),
            Command::Expunge { uids } => self.expunge(uids.as_ref()),
            Command::Search(arguments) => self.search(arguments, tag, out),
            Command::Store(arguments) => self.store(arguments, out),
            Command::Transfer { by, set, name, kind } => {
                let found = self.view()?.select(by, &set)?;
                self.transfer(&found, &name, kind, out)
            }
            // Taken before, because they talk with the client themselves.
            Command::Logout
            | Command::StartTls
            | Command::Compress
            | Command::Authenticate { .. }
            | Command::Fetch(_) => Err(Refusal::bad("Unexpected command")),
        }
    }

    fn note_moved(&self, name: &str, octets: (u64, u64)) {
        self.state.strain().note(name, octets, &self.profile().habits);
    }

    fn announce(&mut self, out: &mut Out, expunges: Expunges) -> Result<(), super::view::Gone> {
        let telling =
            Telling { expunges, dialect: self.dialect(), kind: self.profile().mod_sequences };
        let (Some(login), Some(view)) = (&self.login, &mut self.view) else { return Ok(()) };
        view.announce(&mut login.account().lock(), out, telling)
    }
}

async fn pass_gate(state: &State, moment: Moment) -> Result<(), Hangup> {
    match &state.profile().gate {
        Some(gate) => gate.pass(moment).await,
        None => Ok(()),
    }
}

/// Octets of the literals of a command.
fn octets_of(parts: &[Part]) -> u64 {
    let octets = |part: &Part| match part {
        Part::Text(_) => 0,
        Part::Literal(octets) => octets.len() as u64,
    };
    parts.iter().map(octets).sum()
}

pub(super) fn done(command: &str) -> Answer {
    Ok(format!("{command} completed"))
}

/// Whether a command by number or UID was it, for the text of the answer.
pub(super) fn done_by(by: By, command: &str) -> Answer {
    match by {
        By::Sequence => done(command),
        By::Uid => done(&format!("UID {command}")),
    }
}

fn no_mailbox() -> Refusal {
    Refusal::bad("No mailbox selected")
}

fn without_code(text: &str, codes: Codes) -> &str {
    match (codes, text.strip_prefix('[').and_then(|rest| rest.split_once("] "))) {
        (Codes::Omitted, Some((_, words))) => words,
        _ => text,
    }
}

/// The command for the log: no tag, no octets of literals, no passwords.
fn log_line(name: &str, parts: &[Part]) -> String {
    if matches!(name, "LOGIN" | "AUTHENTICATE") {
        return format!("{name} *");
    }
    let mut line = String::new();
    for part in parts {
        match part {
            Part::Text(text) => line.push_str(&String::from_utf8_lossy(text)),
            Part::Literal(octets) => line.push_str(&format!("{{{}}}", octets.len())),
        }
    }
    line.split_once(' ').map_or(line.clone(), |(_, rest)| rest.to_owned())
}
