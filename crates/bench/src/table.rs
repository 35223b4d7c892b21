//! Tables in Markdown, and figures as people read them.

use crate::sample::Spread;

/// A table, written with columns that line up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned).to_vec()] }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row.into_iter().map(|cell| cell.replace('|', "\\|")).collect());
    }

    pub(crate) fn render(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |cells: &[String]| {
            let padded = widths.iter().enumerate().map(|(column, width)| {
                format!(" {:<width$} ", cells.get(column).map_or("", String::as_str))
            });
            format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
        };
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text += &line(row);
            if number == 0 {
                let rules = widths.iter().map(|width| "-".repeat(width + 2));
                text += &format!("|{}|\n", rules.collect::<Vec<_>>().join("|"));
            }
        }
        text
    }
}

/// Seconds with three digits that tell something.
pub(crate) fn seconds(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

/// `1.23 (1.20–1.41)`: median, least and most.
pub(crate) fn spread(spread: Spread) -> String {
    let Spread { median, least, most } = spread;
    format!("{} ({}–{})", seconds(median), seconds(least), seconds(most))
}

/// Octets in MiB.
pub(crate) fn mebibytes(octets: u64) -> String {
    format!("{:.1}", octets as f64 / f64::from(1 << 20))
}

/// Octets in the decimal unit that fits.
pub(crate) fn octets(octets: u64) -> String {
    match octets as f64 {
        size if size >= 1e9 => format!("{:.2} GB", size / 1e9),
        size => format!("{:.1} MB", size / 1e6),
    }
}

/// A number with commas: `100,000`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_a_cell_cannot_end_its_column() {
        let mut table = Table::new(["program", "s"]);
        table.push(vec!["a|b".to_owned(), "1.23 (1–2)".to_owned()]);
        table.push(vec!["c".to_owned()]);
        let expected = "\
            | program | s          |\n\
            |---------|------------|\n\
            | a\\|b    | 1.23 (1–2) |\n\
            | c       |            |\n";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn figures_have_the_digits_that_tell_something() {
        assert_eq!([0.0123, 1.234, 12.34, 123.4].map(seconds), ["0.012", "1.23", "12.3", "123"]);
        assert_eq!([7, 999, 1000, 1_000_000].map(count), ["7", "999", "1,000", "1,000,000"]);
        assert_eq!(mebibytes(3 << 19), "1.5");
        assert_eq!([166_100_000, 1_073_741_824].map(octets), ["166.1 MB", "1.07 GB"]);
    }
}
