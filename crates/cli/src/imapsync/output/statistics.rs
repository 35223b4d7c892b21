//! The statistics block.

use std::time::Duration;

use jiff::Zoned;

use super::{date, human_size, signed};

/// What a run did, in numbers. Octets are octets of message content.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// When the run started.
    pub started: Zoned,
    /// When it ended.
    pub ended: Zoned,
    /// How long it took.
    pub elapsed: Duration,
    /// Folders taken up.
    pub folders_synced: u64,
    /// Folders that take part.
    pub folders: u64,
    /// Messages copied.
    pub transferred: u64,
    /// In a dry run: messages that would have been copied.
    pub transferred_without_dry: Option<u64>,
    /// Messages of host1 that were left out.
    pub skipped: u64,
    /// Messages equal to an earlier one of their folder, host1 and host2.
    pub duplicates: [u64; 2],
    /// Messages known from another folder of host2.
    pub cross_duplicates: u64,
    /// Messages without Message-Id and Received, host1 and host2.
    pub without_header: [u64; 2],
    /// Messages only on host1.
    pub only_on_host1: u64,
    /// Messages only on host2.
    pub only_on_host2: u64,
    /// Messages deleted, host1 and host2.
    pub deleted: [u64; 2],
    /// Octets copied.
    pub octets_transferred: u64,
    /// Octets left out.
    pub octets_skipped: u64,
    /// Connections made again, host1 and host2.
    pub reconnections: [u64; 2],
    /// Memory, where the system tells it.
    pub memory: Option<Memory>,
    /// The load line of the system, where it tells it.
    pub load: Option<String>,
    /// Processor time, where the system tells it.
    pub cpu: Option<Cpu>,
    /// Octets of the largest message copied.
    pub biggest: u64,
    /// host2 minus host1 before the run; only with both size listings.
    pub difference_at_start: Option<Difference>,
    /// host2 minus host1 after the run; only with both size listings.
    pub difference_at_end: Option<Difference>,
}

/// Memory in octets.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// At the start.
    pub at_start: u64,
    /// At the end.
    pub at_end: u64,
}

/// Processor time.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// Time spent by this process.
    pub time: Duration,
    /// Processors of the machine.
    pub cores: u16,
}

/// host2 minus host1.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// Messages.
    pub messages: i64,
    /// Octets.
    pub octets: i64,
}

/// One line: a label of 40 characters, a colon, a value.
fn row(label: &str, value: impl std::fmt::Display) -> String {
    format!("{label:<40}: {value}")
}

#[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn ratio(amount: u64, by: f64) -> f64 {
    if by > 0.0 { amount as f64 / by } else { 0.0 }
}

impl Statistics {
    /// The whole block, its headline included.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec!["++++ Statistics".to_owned()];
        self.put_times(&mut lines);
        self.put_messages(&mut lines);
        self.put_traffic(&mut lines);
        self.put_machine(&mut lines);
        for (label, difference) in [
            ("Start difference host2 - host1", self.difference_at_start),
            ("Final difference host2 - host1", self.difference_at_end),
        ] {
            if let Some(Difference { messages, octets }) = difference {
                let human = human_size(octets);
                lines.push(row(label, format!("{messages} messages, {octets} bytes ({human})")));
            }
        }
        lines
    }

    fn put_times(&self, lines: &mut Vec<String>) {
        lines.push(row("Transfer started on", date(&self.started)));
        lines.push(row("Transfer ended on", date(&self.ended)));
        lines.push(row("Transfer time", format!("{:.1} sec", self.elapsed.as_secs_f64())));
        lines.push(row(
            "Folders synced",
            format!("{}/{} synced", self.folders_synced, self.folders),
        ));
    }

    fn put_messages(&self, lines: &mut Vec<String>) {
        // The blank behind the number is there with and without the remark.
        let remark = self
            .transferred_without_dry
            .map(|count| format!("(could be {count} without dry mode)"))
            .unwrap_or_default();
        lines.push(row("Messages transferred", format!("{} {remark}", self.transferred)));
        lines.push(row("Messages skipped", self.skipped));
        let [duplicates1, duplicates2] = self.duplicates;
        lines.push(row("Messages found duplicate on host1", duplicates1));
        lines.push(row("Messages found duplicate on host2", duplicates2));
        lines.push(row("Messages found crossduplicate on host2", self.cross_duplicates));
        let [void1, void2] = self.without_header;
        let advice = match void1 {
            0 => String::new(),
            _ => format!(
                "in order to sync those {void1} unidentified messages, add option --addheader"
            ),
        };
        lines.push(row("Messages void (noheader) on host1", format!("{void1}  {advice}")));
        lines.push(row("Messages void (noheader) on host2", void2));
        let only1 = format!("{} messages", self.only_on_host1);
        lines.push(row("Messages found in host1 not in host2", only1));
        let only2 = format!("{} messages", self.only_on_host2);
        lines.push(row("Messages found in host2 not in host1", only2));
        let [deleted1, deleted2] = self.deleted;
        lines.push(row("Messages deleted on host1", deleted1));
        lines.push(row("Messages deleted on host2", deleted2));
    }

    fn put_traffic(&self, lines: &mut Vec<String>) {
        let seconds = self.elapsed.as_secs_f64();
        let sized = |octets: u64| format!("{octets} ({})", human_size(signed(octets)));
        lines.push(row("Total bytes transferred", sized(self.octets_transferred)));
        lines.push(row("Total bytes skipped", sized(self.octets_skipped)));
        let messages = ratio(self.transferred, seconds);
        lines.push(row("Message rate", format!("{messages:.1} messages/s")));
        let octets = ratio(self.octets_transferred, seconds * 1024.0);
        lines.push(row("Average bandwidth rate", format!("{octets:.1} KiB/s")));
        let [reconnections1, reconnections2] = self.reconnections;
        lines.push(row("Reconnections to host1", reconnections1));
        lines.push(row("Reconnections to host2", reconnections2));
    }

    fn put_machine(&self, lines: &mut Vec<String>) {
        const MIB: f64 = 1_048_576.0;
        let seconds = self.elapsed.as_secs_f64();
        if let Some(Memory { at_start, at_end }) = self.memory {
            let (start, end) = (ratio(at_start, MIB), ratio(at_end, MIB));
            let hours = end * seconds / 3600.0;
            lines.push(row(
                "Memory consumption at the end",
                format!("{end:.1} MiB (*time {hours:.1} MiB*h) (started with {start:.1} MiB)"),
            ));
        }
        if let Some(load) = &self.load {
            lines.push(row("Load end is", load));
        }
        if let Some(Cpu { time, cores }) = self.cpu {
            let spent = time.as_secs_f64();
            let percent = if seconds > 0.0 { 100.0 * spent / seconds } else { 0.0 };
            let of_all = percent / f64::from(cores.max(1));
            lines.push(row(
                "CPU time and %cpu",
                format!("{spent:.2} sec {percent:.1} %cpu {of_all:.1} %allcpus"),
            ));
        }
        let biggest = format!("{} bytes ({})", self.biggest, human_size(signed(self.biggest)));
        lines.push(row("Biggest message transferred", biggest));
        if let Some(memory) = self.memory {
            #[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
            let share = ratio(memory.at_end, self.biggest as f64);
            let shown = if self.biggest > 0 { format!("{share:.1}") } else { "NA".to_owned() };
            lines.push(row("Memory/biggest message ratio", shown));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::half_past_two;
    use super::*;

    fn fifteen_messages() -> Statistics {
        Statistics {
            started: half_past_two(),
            ended: half_past_two(),
            elapsed: Duration::from_micros(767_000),
            folders_synced: 9,
            folders: 9,
            transferred: 13,
            transferred_without_dry: None,
            skipped: 2,
            duplicates: [1, 0],
            cross_duplicates: 0,
            without_header: [1, 0],
            only_on_host1: 0,
            only_on_host2: 0,
            deleted: [0, 0],
            octets_transferred: 10_368,
            octets_skipped: 118,
            reconnections: [0, 0],
            memory: Some(Memory { at_start: 170_708_173, at_end: 184_868_864 }),
            load: Some("1.44 0.64 0.27 3/156 on 2 cores".to_owned()),
            cpu: Some(Cpu { time: Duration::from_millis(490), cores: 2 }),
            biggest: 2_739,
            difference_at_start: Some(Difference { messages: -15, octets: -10_728 }),
            difference_at_end: Some(Difference { messages: -2, octets: -360 }),
        }
    }

    #[test]
    fn the_block_has_the_labels_and_blanks_that_wrappers_read() {
        let expected = [
            "++++ Statistics",
            "Transfer started on                     : Monday 23 November 2026-11-23 02:38:58 +0000 UTC",
            "Transfer ended on                       : Monday 23 November 2026-11-23 02:38:58 +0000 UTC",
            "Transfer time                           : 0.8 sec",
            "Folders synced                          : 9/9 synced",
            "Messages transferred                    : 13 ",
            "Messages skipped                        : 2",
            "Messages found duplicate on host1       : 1",
            "Messages found duplicate on host2       : 0",
            "Messages found crossduplicate on host2  : 0",
            "Messages void (noheader) on host1       : 1  in order to sync those 1 unidentified messages, add option --addheader",
            "Messages void (noheader) on host2       : 0",
            "Messages found in host1 not in host2    : 0 messages",
            "Messages found in host2 not in host1    : 0 messages",
            "Messages deleted on host1               : 0",
            "Messages deleted on host2               : 0",
            "Total bytes transferred                 : 10368 (10.125 KiB)",
            "Total bytes skipped                     : 118 (0.115 KiB)",
            "Message rate                            : 16.9 messages/s",
            "Average bandwidth rate                  : 13.2 KiB/s",
            "Reconnections to host1                  : 0",
            "Reconnections to host2                  : 0",
            "Memory consumption at the end           : 176.3 MiB (*time 0.0 MiB*h) (started with 162.8 MiB)",
            "Load end is                             : 1.44 0.64 0.27 3/156 on 2 cores",
            "CPU time and %cpu                       : 0.49 sec 63.9 %cpu 31.9 %allcpus",
            "Biggest message transferred             : 2739 bytes (2.675 KiB)",
            "Memory/biggest message ratio            : 67495.0",
            "Start difference host2 - host1          : -15 messages, -10728 bytes (-10.477 KiB)",
            "Final difference host2 - host1          : -2 messages, -360 bytes (-0.352 KiB)",
        ];
        assert_eq!(fifteen_messages().lines(), expected);
    }

    #[test]
    fn a_dry_run_says_what_could_be() {
        let mut statistics = fifteen_messages();
        statistics.transferred = 0;
        statistics.transferred_without_dry = Some(13);
        let line = "Messages transferred                    : 0 (could be 13 without dry mode)";
        assert!(statistics.lines().iter().any(|shown| shown == line));
    }

    #[test]
    fn a_run_of_no_time_has_finite_rates() {
        let mut statistics = fifteen_messages();
        statistics.elapsed = Duration::ZERO;
        statistics.biggest = 0;
        let text = statistics.lines().join("\n");
        assert!(!text.contains("inf") && !text.contains("NaN"), "{text}");
        assert!(text.contains("Memory/biggest message ratio            : NA"), "{text}");
    }
}
