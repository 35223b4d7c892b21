//! What was measured of one run, and what many runs come to.

/// One run of a program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) wall_seconds: f64,
    /// User and system time of the program and all it started; of no server.
    pub(crate) cpu_seconds: f64,
    /// The largest resident set, in octets.
    pub(crate) peak_octets: u64,
}

/// The middle of some figures, and their extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// `None` of nothing. The median of an even number is the mean of the middle two.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), least, most })
    }
}

/// All the runs of one contestant under one condition; or why there is no figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    samples: Vec<Sample>,
    failure: Option<String>,
}

impl Series {
    pub(crate) fn new() -> Self {
        Self { samples: Vec::new(), failure: None }
    }

    pub(crate) fn push(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    /// A run that did not do its work leaves no figure, whatever the others took.
    pub(crate) fn fail(&mut self, why: String) {
        self.failure = Some(why);
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(crate) fn wall(&self) -> Option<Spread> {
        self.spread(|sample| sample.wall_seconds)
    }

    pub(crate) fn cpu(&self) -> Option<Spread> {
        self.spread(|sample| sample.cpu_seconds)
    }

    /// The largest of all runs, in octets.
    pub(crate) fn peak_octets(&self) -> Option<u64> {
        let figures = || self.samples.iter().map(|sample| sample.peak_octets);
        if self.failure.is_some() { None } else { figures().max() }
    }

    fn spread(&self, figure: impl Fn(&Sample) -> f64) -> Option<Spread> {
        match self.failure {
            Some(_) => None,
            None => Spread::of(self.samples.iter().map(figure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(wall_seconds: f64) -> Sample {
        Sample { wall_seconds, cpu_seconds: wall_seconds / 2.0, peak_octets: 7 }
    }

    #[test]
    fn the_median_is_the_middle_and_of_an_even_number_between_the_middle_two() {
        let spread = Spread { median: 3.0, least: 1.0, most: 9.0 };
        assert_eq!(Spread::of([9.0, 1.0, 3.0]), Some(spread));
        assert_eq!(Spread::of([4.0, 9.0, 1.0, 2.0]), Some(spread));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn one_failure_takes_the_figure_away() {
        let mut series = Series::new();
        series.push(sample(2.0));
        series.push(Sample { peak_octets: 9, ..sample(4.0) });
        assert_eq!(series.wall().map(|wall| wall.median), Some(3.0));
        assert_eq!(series.cpu().map(|cpu| cpu.median), Some(1.5));
        assert_eq!(series.peak_octets(), Some(9));
        series.fail("it did not copy everything".to_owned());
        assert_eq!((series.wall(), series.cpu(), series.peak_octets()), (None, None, None));
    }
}
