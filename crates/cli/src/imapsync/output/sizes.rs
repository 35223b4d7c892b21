//! The listing of folder sizes before and after a sync.

use super::{Place, ShownName, human_size, signed};

/// What a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FolderSize {
    /// Octets of all messages.
    pub octets: u64,
    /// Messages.
    pub messages: u64,
    /// Octets of the largest one.
    pub biggest: u64,
}

/// The line of one folder; `host` is 1 or 2, no size means that the folder does not exist.
#[must_use]
pub fn folder_size_line(
    host: u8,
    place: Place,
    name: ShownName<'_>,
    size: Option<FolderSize>,
) -> String {
    let head = format!("Host{host} folder {:>7} {:<35}", place.shown(), name.bracketed());
    match size {
        Some(size) => format!(
            "{head} Size: {:>9} Messages: {:>5} Biggest: {:>9}",
            size.octets, size.messages, size.biggest
        ),
        None => format!("{head}  does not exist yet"),
    }
}

/// The line below the two of a pair of folders: host2 minus host1. An empty line follows it.
#[must_use]
pub fn difference_line(size1: FolderSize, size2: FolderSize) -> String {
    format!(
        "Host2-Host1  {:>7} {:<35}       {:>9}           {:>5}          {:>9}",
        "",
        "",
        signed(size2.octets) - signed(size1.octets),
        signed(size2.messages) - signed(size1.messages),
        signed(size2.biggest) - signed(size1.biggest),
    )
}

/// What a side holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Folders that take part.
    pub folders: u64,
    /// All of them together; `biggest` is the largest message of all.
    pub all: FolderSize,
}

/// The totals of both sides, blank lines between pairs, and the time it took in seconds.
#[must_use]
pub fn totals(host1: Sizes, host2: Sizes, seconds: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pair = |label: &str, unit: &str, of: fn(&Sizes) -> u64| {
        for (host, sizes) in [(1, host1), (2, host2)] {
            let amount = of(&sizes);
            let human = match unit {
                "bytes" => format!(" ({})", human_size(signed(amount))),
                _ => String::new(),
            };
            lines.push(format!("Host{host} {label:<21} {amount:>11} {unit}{human}"));
        }
        lines.push(String::new());
    };
    pair("Nb folders:", "folders", |sizes| sizes.folders);
    pair("Nb messages:", "messages", |sizes| sizes.all.messages);
    pair("Total size:", "bytes", |sizes| sizes.all.octets);
    pair("Biggest message:", "bytes", |sizes| sizes.all.biggest);
    lines.push(format!("Time spent on sizing: {seconds:>11.1} seconds"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAFE1: ShownName<'_> = ShownName { raw: "Caf&AOk-", decoded: Some("Café") };
    const CAFE2: ShownName<'_> = ShownName { raw: "INBOX.Caf&AOk-", decoded: Some("INBOX.Café") };
    const FIRST: Place = Place { this: 1, of: 9 };
    const ONE: FolderSize = FolderSize { octets: 242, messages: 1, biggest: 242 };

    #[test]
    fn folder_lines_stand_below_each_other() {
        assert_eq!(
            folder_size_line(1, FIRST, CAFE1, Some(ONE)),
            format!(
                "Host1 folder     1/9 [Caf&AOk-] = [Café]{}Size:       242 Messages:     1 \
                 Biggest:       242",
                " ".repeat(17)
            )
        );
        assert_eq!(
            folder_size_line(2, FIRST, CAFE2, None),
            "Host2 folder     1/9 [INBOX.Caf&AOk-] = [INBOX.Café]      does not exist yet"
        );
        let difference = difference_line(ONE, FolderSize::default());
        assert_eq!(
            difference,
            format!("Host2-Host1{}-242{}-1{}-242", " ".repeat(57), " ".repeat(14), " ".repeat(15))
        );
    }

    #[test]
    fn totals_come_in_pairs() {
        let host1 =
            Sizes { folders: 9, all: FolderSize { octets: 10_728, messages: 15, biggest: 2_739 } };
        let host2 = Sizes { folders: 9, all: FolderSize::default() };
        assert_eq!(
            totals(host1, host2, 0.31),
            [
                "Host1 Nb folders:                     9 folders",
                "Host2 Nb folders:                     9 folders",
                "",
                "Host1 Nb messages:                   15 messages",
                "Host2 Nb messages:                    0 messages",
                "",
                "Host1 Total size:                 10728 bytes (10.477 KiB)",
                "Host2 Total size:                     0 bytes (0.000 KiB)",
                "",
                "Host1 Biggest message:             2739 bytes (2.675 KiB)",
                "Host2 Biggest message:                0 bytes (0.000 KiB)",
                "",
                "Time spent on sizing:         0.3 seconds",
            ]
        );
    }
}
