//! What a command line means, in the words of `mailferry`.

use std::fmt::Display;

use mailferry_engine::identity::{Headers, MessageIdDomain};
use mailferry_engine::name::MailboxName;
use mailferry_imap::mutf7;
use mailferry_imap::session::printable;

use super::settings::{
    CertificateCheck, Deletions, Expunge, FolderChoice, FolderNames, ImapsyncOptions,
    MessageOptions, Mode, PaceOptions, SideOptions, Subscribe, Timeout, Transforms,
};

/// The meaning, one line for each thing that was said or follows.
#[must_use]
pub fn explanation(options: &ImapsyncOptions) -> Vec<String> {
    let mut lines = vec![
        format!("task: {}", task(options)),
        format!("source: {}", side(&options.side1)),
        format!("target: {}", side(&options.side2)),
    ];
    let mut say = |subject: &str, words: Vec<String>| {
        lines.extend(words.into_iter().map(|word| format!("{subject}: {word}")));
    };
    say("mailboxes", mailboxes(&options.folders));
    say("names", names(&options.names));
    say("messages", messages(&options.messages));
    say("content", content(&options.transforms, &options.messages));
    say("flags", flags(&options.messages));
    say("removals", removals(&options.deletions));
    say("subscriptions", vec![subscriptions(options.subscribe).to_owned()]);
    say("limits", limits(options));
    say("notice", options.notices.clone());
    lines
}

fn task(options: &ImapsyncOptions) -> &'static str {
    match options.mode {
        Mode::JustBanner => "print the first lines, and stop",
        Mode::JustConnect => "connect, log in nowhere, and stop",
        Mode::Abort => "end the run that the pidfile names",
        Mode::JustLogin => "log in on both sides, and stop",
        Mode::JustFolderLists => "show the mailboxes of both sides, and stop",
        Mode::JustAutomap => "show which mailboxes are paired by special use, and stop",
        Mode::JustFolderSizes => "show the sizes of the mailboxes, and stop",
        Mode::JustFolders if options.dry => "show which mailboxes would be created",
        Mode::JustFolders => "create and subscribe mailboxes, copy no message",
        Mode::Sync if options.dry => "show what would be copied, and change nothing",
        Mode::Sync => "copy what is missing on the target",
    }
}

fn side(side: &SideOptions) -> String {
    let user = printable(&side.user);
    let (scheme, usual) = match (side.ssl, side.tls) {
        (Some(true), _) => ("imaps", 993),
        (Some(false), Some(false)) => ("imap+plain", 143),
        _ => ("imap", 143),
    };
    let mut words = format!("{scheme}://{user}@{}:{}", side.host, side.port.unwrap_or(usual));
    if side.probe_993 {
        words.push_str(", or imaps where port 993 answers");
    }
    if let Some(admin) = &side.authuser {
        words.push_str(&format!("; {} logs in", printable(admin)));
    }
    words.push_str(match side.certificate {
        CertificateCheck::Usual => "",
        CertificateCheck::Strict => "; the certificate is verified, on loopback too",
        CertificateCheck::Off => "; any certificate is accepted",
    });
    if let Timeout::Never = side.timeout {
        words.push_str("; a silent server is waited for without end");
    }
    words
}

fn shown(name: &MailboxName) -> String {
    mutf7::display(name.as_bytes())
}

fn list(names: &[MailboxName]) -> String {
    names.iter().map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ")
}

fn each<T>(typed: &[T], words: impl Fn(&T) -> String) -> impl Iterator<Item = String> {
    typed.iter().map(words).collect::<Vec<_>>().into_iter()
}

fn mailboxes(folders: &FolderChoice) -> Vec<String> {
    let mut words = Vec::new();
    if !folders.named.is_empty() {
        words.push(list(&folders.named));
    }
    if !folders.with_all_below.is_empty() {
        words.push(format!("{} and all below", list(&folders.with_all_below)));
    }
    if folders.subscribed {
        words.push("the subscribed ones".to_owned());
    }
    words.extend(each(&folders.include, |pattern| format!("those of {pattern:?}")));
    if words.is_empty() {
        words.push("all of the source".to_owned());
    }
    words.extend(each(&folders.exclude, |pattern| format!("none of {pattern:?}")));
    if folders.skip_empty {
        words.push("none without messages".to_owned());
    }
    if !folders.first.is_empty() {
        words.push(format!("first {}", list(&folders.first)));
    }
    if !folders.last.is_empty() {
        words.push(format!("last {}", list(&folders.last)));
    }
    words
}

fn names(names: &FolderNames) -> Vec<String> {
    let mut words = Vec::new();
    let explicit = |(from, to): &(MailboxName, MailboxName)| {
        format!("`{}` is called `{}`", shown(from), shown(to))
    };
    words.extend(each(&names.explicit, explicit));
    if names.automap {
        words.push("Sent, Drafts and the like are paired by special use".to_owned());
    }
    if let Some(from) = &names.subfolder1 {
        words.push(format!("what is below `{from}` comes to the top"));
    }
    if let Some(into) = &names.subfolder2 {
        words.push(format!("everything goes below `{into}`"));
    }
    words.extend(each(&names.rewrites, |rule| format!("rewritten by {rule:?}")));
    words
}

fn messages(messages: &MessageOptions) -> Vec<String> {
    let mut words = Vec::new();
    let mut say = |number: Option<&dyn Display>, before: &str, behind: &str| {
        words.extend(number.map(|number| format!("{before}{number}{behind}")));
    };
    say(messages.octets_max.as_ref().map(|it| it as _), "none over ", " octets");
    say(messages.octets_min.as_ref().map(|it| it as _), "none of ", " octets or fewer");
    say(messages.append_limit.as_ref().map(|it| it as _), "the target takes ", " octets at most");
    let [search1, search2] = &messages.searches;
    say(search1.as_ref().map(|it| it as _), "of the source those that SEARCH finds: ", "");
    say(search2.as_ref().map(|it| it as _), "of the target those that SEARCH finds: ", "");
    if search1.is_none() || search2.is_none() {
        say(messages.age_days_max.as_ref().map(|it| it as _), "sent in the last ", " days");
        say(messages.age_days_min.as_ref().map(|it| it as _), "sent more than ", " days ago");
    }
    if messages.skip_cross_duplicates {
        words.push("none that an earlier mailbox of the target has".to_owned());
    }
    let labels = match (messages.sync_labels, messages.resync_labels) {
        (false, false) => None,
        (true, false) => Some("copies get the labels of Gmail that they have on the source"),
        (false, true) => Some("labels of Gmail become those of the source on what was there"),
        (true, true) => Some("labels of Gmail become those of the source"),
    };
    words.extend(labels.map(str::to_owned));
    words.push(if messages.sync_duplicates {
        "equal ones of a mailbox are all copied".to_owned()
    } else {
        "of equal ones in a mailbox one is copied".to_owned()
    });
    let domain = match messages.keys.message_id_domain {
        MessageIdDomain::Kept => "",
        MessageIdDomain::Dropped => ", Message-Id up to its @",
    };
    let headers = match &messages.keys.headers {
        Headers::All => "all headers".to_owned(),
        Headers::Named(names) => {
            names.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ")
        }
    };
    words.push(format!("known by {headers}{domain}, and by size, date and content"));
    words
}

fn content(transforms: &Transforms, messages: &MessageOptions) -> Vec<String> {
    let mut words = Vec::new();
    words.extend(each(&transforms.skip, |rule| format!("left out by {rule:?}")));
    words.extend(each(&transforms.rewrites, |rule| format!("rewritten by {rule:?}")));
    if transforms.disarm_receipts {
        words.push("requests for read receipts are disarmed".to_owned());
    }
    words.extend(each(&transforms.pipes, |command| {
        format!("sent through the command {}", command.to_string_lossy())
    }));
    if messages.add_header {
        words.push("a message without Message-Id and Received gets a Message-Id".to_owned());
    }
    words.extend(transforms.octets_kept.map(|octets| format!("cut to {octets} octets")));
    if let Some(octets) = transforms.line_octets_max {
        words.push(match &transforms.line_command {
            Some(command) => format!(
                "with a line over {octets} octets sent through the command {}",
                command.to_string_lossy()
            ),
            None => format!("left out with a line over {octets} octets"),
        });
    }
    words.extend(
        transforms.line_octets_above.map(|octets| format!("left out without one over {octets}")),
    );
    if transforms.date_from_header {
        words.push("dated by the Date header".to_owned());
    } else if !messages.sync_internal_dates {
        words.push("dated by the target's clock".to_owned());
    }
    if words.is_empty() {
        words.push("octet by octet as it is".to_owned());
    }
    words
}

fn flags(messages: &MessageOptions) -> Vec<String> {
    let mut words: Vec<String> =
        each(&messages.flag_rewrites, |rule| format!("rewritten by {rule:?}")).collect();
    words.push(if messages.resync_flags {
        "those of messages already there become the source's".to_owned()
    } else {
        "of new messages only".to_owned()
    });
    words
}

fn removals(deletions: &Deletions) -> Vec<String> {
    let mut words = Vec::new();
    if deletions.messages {
        words.push("messages of the target that the source does not have".to_owned());
    }
    if deletions.duplicates {
        words.push("all but the first of equal messages in a mailbox of the target".to_owned());
    }
    if deletions.folders {
        words.push("mailboxes of the target that the source does not have".to_owned());
        words.extend(deletions.folders_only.as_ref().map(|rule| format!("of these {rule:?}")));
        words.extend(deletions.folders_but_not.as_ref().map(|rule| format!("but not {rule:?}")));
    }
    if words.is_empty() {
        words.push("none".to_owned());
    } else if deletions.expunge == Expunge::WholeFolder {
        words.push("whole mailboxes are expunged".to_owned());
    }
    words
}

fn subscriptions(subscribe: Subscribe) -> &'static str {
    match subscribe {
        Subscribe::Nothing => "none",
        Subscribe::AsOnHost1 => "as on the source",
        Subscribe::Everything => "every mailbox that takes part",
    }
}

fn limits(options: &ImapsyncOptions) -> Vec<String> {
    let process = &options.process;
    let PaceOptions { octets_per_second, octets_free, messages_per_second } = process.pace;
    let mut words = vec![format!("{} errors end the run", process.errors_max)];
    words.extend(octets_per_second.map(|rate| match octets_free {
        0 => format!("{rate} octets a second"),
        free => format!("{rate} octets a second after the first {free}"),
    }));
    words.extend(messages_per_second.map(|rate| format!("{rate} messages a second")));
    words.extend(process.octets_max.map(|octets| format!("the run ends after {octets} octets")));
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::imapsync::parse;
    use crate::imapsync::settings::Request;

    fn explained(words: &str) -> Vec<String> {
        let words = format!("--host1 a --user1 u --host2 b --user2 v --password1 s3cret {words}");
        let parsed = parse(words.split(' ').map(Into::into)).unwrap_or_else(|e| panic!("{e}"));
        match Request::read(&parsed) {
            Ok(Request::Run(options)) => explanation(&options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plain_command_line_copies_everything_as_it_is() {
        let expected = [
            "task: copy what is missing on the target",
            "source: imap://u@a:143, or imaps where port 993 answers",
            "target: imaps://v@b:993",
            "mailboxes: all of the source",
            "messages: of equal ones in a mailbox one is copied",
            "messages: known by Message-Id, Received, and by size, date and content",
            "content: octet by octet as it is",
            "flags: those of messages already there become the source's",
            "removals: none",
            "subscriptions: as on the source",
            "limits: 50 errors end the run",
        ];
        assert_eq!(explained("--ssl2"), expected);
    }

    #[test]
    fn what_was_asked_for_is_said() {
        let lines = explained(
            "--dry --folder Caf&AOk- --exclude ^x --automap --delete2 --maxsize 9 --maxage 3 \
             --regexmess s/a/b/ --pipemess cat --truncmess 7 --noresyncflags --exitwhenover 5",
        );
        for line in [
            "task: show what would be copied, and change nothing",
            "mailboxes: `Café`",
            "mailboxes: none of --exclude ^x",
            "names: Sent, Drafts and the like are paired by special use",
            "messages: none over 9 octets",
            "messages: sent in the last 3 days",
            "content: rewritten by --regexmess s/a/b/",
            "content: sent through the command cat",
            "content: cut to 7 octets",
            "flags: of new messages only",
            "removals: messages of the target that the source does not have",
            "limits: the run ends after 5 octets",
        ] {
            assert!(lines.iter().any(|said| said == line), "{line}\n{lines:#?}");
        }
        assert!(!lines.join("\n").contains("s3cret"));
    }
}
