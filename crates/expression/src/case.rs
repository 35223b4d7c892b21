//! `\U`, `\L`, `\u`, `\l`, `\F`, `\Q` and `\E`, nested as Perl nests them.

/// What is done to the text up to the matching `\E`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Upper,
    Lower,
    UpperFirst,
    LowerFirst,
    Quote,
}

impl Case {
    fn of_letter(letter: u8) -> Option<Self> {
        match letter {
            b'U' => Some(Self::Upper),
            // Without Unicode, folding is lower case.
            b'L' | b'F' => Some(Self::Lower),
            b'u' => Some(Self::UpperFirst),
            b'l' => Some(Self::LowerFirst),
            b'Q' => Some(Self::Quote),
            _ => None,
        }
    }

    /// `\E` ends it; the others end with the text, or with what is around them.
    fn ends_with_e(self) -> bool {
        !matches!(self, Self::UpperFirst | Self::LowerFirst)
    }

    fn is_of_all_letters(self) -> bool {
        matches!(self, Self::Upper | Self::Lower)
    }

    /// Changes octets that carry something along, such as the place they come from. Only ASCII
    /// letters have a case, and every other octet but a word's is quoted (perlfunc, quotemeta).
    pub(crate) fn apply<T: Clone>(self, octets: &mut Vec<T>, octet: impl Fn(&mut T) -> &mut u8) {
        match self {
            Self::Upper => octets.iter_mut().for_each(|it| octet(it).make_ascii_uppercase()),
            Self::Lower => octets.iter_mut().for_each(|it| octet(it).make_ascii_lowercase()),
            Self::UpperFirst => {
                octets.iter_mut().take(1).for_each(|it| octet(it).make_ascii_uppercase());
            }
            Self::LowerFirst => {
                octets.iter_mut().take(1).for_each(|it| octet(it).make_ascii_lowercase());
            }
            Self::Quote => {
                let mut quoted = Vec::with_capacity(octets.len() * 2);
                for mut it in octets.drain(..) {
                    let value = *octet(&mut it);
                    if !(value.is_ascii_alphanumeric() || value == b'_') {
                        let mut backslash = it.clone();
                        *octet(&mut backslash) = b'\\';
                        quoted.push(backslash);
                    }
                    quoted.push(it);
                }
                *octets = quoted;
            }
        }
    }
}

/// Pieces of text, collected while cases are opened and closed.
pub(crate) struct Nest<N> {
    open: Vec<(Case, Vec<N>)>,
    base: Vec<N>,
    wrap: fn(Case, Vec<N>) -> N,
}

impl<N> Nest<N> {
    /// `wrap` makes one piece of what stands within a case.
    pub(crate) fn new(wrap: fn(Case, Vec<N>) -> N) -> Self {
        Self { open: Vec::new(), base: Vec::new(), wrap }
    }

    /// Where the next piece goes.
    pub(crate) fn pieces(&mut self) -> &mut Vec<N> {
        match self.open.last_mut() {
            Some((_, pieces)) => pieces,
            None => &mut self.base,
        }
    }

    /// Takes the escape whose letter is at `at`, right behind its backslash, and says where the
    /// text goes on; nothing if this is no such escape. What Perl reads in another order than it
    /// is written is changed in `text`.
    pub(crate) fn take(&mut self, text: &mut [u8], at: usize) -> Option<usize> {
        if text[at] == b'E' {
            self.end();
            return Some(at + 1);
        }
        Case::of_letter(text[at])?;
        if text[at + 1..].starts_with(b"\\E") {
            return Some(at + 3);
        }
        // `\L\u` means `\u\L`.
        if [&b"L\\u"[..], b"U\\l"].iter().any(|misplaced| text[at..].starts_with(misplaced)) {
            text.swap(at, at + 2);
        }
        self.begin(Case::of_letter(text[at])?);
        Some(at + 1)
    }

    /// Upper and lower case do not nest: the later ends the earlier, and what is between.
    fn begin(&mut self, case: Case) {
        if case.is_of_all_letters() {
            while self.open.iter().any(|(open, _)| open.is_of_all_letters()) {
                self.close();
            }
        }
        self.open.push((case, Vec::new()));
    }

    fn end(&mut self) {
        while let Some(case) = self.close() {
            if case.ends_with_e() {
                break;
            }
        }
    }

    fn close(&mut self) -> Option<Case> {
        let (case, pieces) = self.open.pop()?;
        let piece = (self.wrap)(case, pieces);
        self.pieces().push(piece);
        Some(case)
    }

    /// Everything, with what is still open closed.
    pub(crate) fn finish(mut self) -> Vec<N> {
        while self.close().is_some() {}
        self.base
    }
}
