//! The only place that calls PCRE2, as its manual pages pcre2api and pcre2jit say, and the only
//! `unsafe` of this repository.
//!
//! Patterns are compiled for octets, never for UTF. They are compiled to machine code where the
//! machine permits it, and interpreted where not, or where a match needs more stack than it gets.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use pcre2_sys as sys;

use crate::error::Exceeded;

/// Ways that any match may try; compiled to machine code, from each place where it may begin.
pub const STEPS_MIN: u32 = 10_000_000;
/// Further ways for each octet of the text, up to what PCRE2 can count. Perl has no such bound.
pub const STEPS_PER_OCTET: u32 = 1000;
/// Stack of compiled code, in octets. It is used only as far as a match needs it.
pub const STACK_OCTETS_MAX: usize = 128 * 1024 * 1024;
/// Memory of the interpreter, in octets.
pub const HEAP_OCTETS_MAX: usize = 256 * 1024 * 1024;
/// How long all matches of one expression in one text may take. It is looked at in between, and
/// can be exceeded by what the ways from one place of the text take.
pub const TIME_MAX: Duration = Duration::from_secs(60);

const STACK_OCTETS_MIN: usize = 64 * 1024;
/// Texts up to this size are first tried on the 32 KiB that PCRE2 finds on the thread's own stack.
const SMALL_TEXT_OCTETS_MAX: usize = 4096;
/// Places where a match may begin that are tried before the clock is looked at, at first; they
/// double as long as they are quickly tried.
const PLACES_MIN: usize = 256;
const QUICK: Duration = Duration::from_millis(10);

/// Modifiers, as PCRE2 has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options(u32);

impl Options {
    pub(crate) const IGNORE_CASE: u32 = sys::PCRE2_CASELESS;
    pub(crate) const LINES: u32 = sys::PCRE2_MULTILINE;
    pub(crate) const DOT_IS_ANY: u32 = sys::PCRE2_DOTALL;
    pub(crate) const EXTENDED: u32 = sys::PCRE2_EXTENDED;
    pub(crate) const EXTENDED_MORE: u32 = sys::PCRE2_EXTENDED_MORE;
    pub(crate) const NO_CAPTURE: u32 = sys::PCRE2_NO_AUTO_CAPTURE;

    pub(crate) fn add(&mut self, option: u32) {
        self.0 |= option;
    }

    pub(crate) fn has(self, option: u32) -> bool {
        self.0 & option != 0
    }
}

/// Why a pattern cannot be compiled.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Where in the pattern.
    pub(crate) at: usize,
    pub(crate) words: String,
}

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Program {
    code: NonNull<sys::pcre2_code_8>,
    search: Search,
}

/// Whether a search may be interrupted and taken up again at the next place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    InParts,
    /// The pattern asks where the search began (`\G`), or decides that it ends (verbs).
    AtOnce,
}

// SAFETY: a compiled pattern is not changed by matching (pcre2api, "Multithreading"); what a match
// changes is in a `Matcher`. The machine code is made before the `Program` is handed out.
unsafe impl Send for Program {}
// SAFETY: as above.
unsafe impl Sync for Program {}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: `code` came from `pcre2_compile` and is freed once, here. No `Matcher` outlives
        // its `Program`.
        unsafe { sys::pcre2_code_free_8(self.code.as_ptr()) }
    }
}

impl Program {
    pub(crate) fn compile(pattern: &[u8], options: Options) -> Result<Self, Broken> {
        // Perl has none of the settings of PCRE2 at the head of a pattern, such as `(*UTF)`.
        let guard: &[u8] = if pattern.starts_with(b"(*") { b"(?:)" } else { b"" };
        let guarded = [guard, pattern].concat();
        let never = sys::PCRE2_NEVER_UTF | sys::PCRE2_NEVER_UCP | sys::PCRE2_NEVER_BACKSLASH_C;
        let (mut error, mut offset): (c_int, usize) = (0, 0);
        // SAFETY: no argument is needed.
        let context = unsafe { sys::pcre2_compile_context_create_8(ptr::null_mut()) };
        if context.is_null() {
            return Err(Broken { at: 0, words: "out of memory".to_owned() });
        }
        // SAFETY: `context` is valid and freed below; the pattern is readable for its whole
        // length, and PCRE2 keeps no pointer to it.
        let code = unsafe {
            sys::pcre2_set_newline_8(context, sys::PCRE2_NEWLINE_LF);
            sys::pcre2_set_bsr_8(context, sys::PCRE2_BSR_UNICODE);
            let code = sys::pcre2_compile_8(
                guarded.as_ptr(),
                guarded.len(),
                options.0 | never | sys::PCRE2_USE_OFFSET_LIMIT,
                &raw mut error,
                &raw mut offset,
                context,
            );
            sys::pcre2_compile_context_free_8(context);
            code
        };
        let Some(code) = NonNull::new(code) else {
            let at = offset.saturating_sub(guard.len()).min(pattern.len());
            return Err(Broken { at, words: message(error) });
        };
        // Where machine code is forbidden or not to be had, the pattern is interpreted.
        // SAFETY: `code` is valid and nobody else has it yet.
        unsafe { sys::pcre2_jit_compile_8(code.as_ptr(), sys::PCRE2_JIT_COMPLETE) };
        let has = |part: &[u8]| pattern.windows(part.len()).any(|window| window == part);
        let search = if has(b"\\G") || has(b"(*") { Search::AtOnce } else { Search::InParts };
        Ok(Self { code, search })
    }

    /// What matches this pattern in `subject`.
    pub(crate) fn matcher<'a>(&'a self, subject: &'a [u8]) -> Result<Matcher<'a>, Exceeded> {
        Matcher::new(self, subject)
    }
}

fn message(error: c_int) -> String {
    let mut buffer = [0_u8; 256];
    // SAFETY: the buffer is writable for the length that is given.
    let length =
        unsafe { sys::pcre2_get_error_message_8(error, buffer.as_mut_ptr(), buffer.len()) };
    match usize::try_from(length) {
        Ok(length) => String::from_utf8_lossy(&buffer[..length.min(buffer.len())]).into_owned(),
        Err(_) => format!("error {error}"),
    }
}

/// Whether a match may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    Allowed,
    /// Not where the search begins, since an empty match was found there before.
    NotAtStart,
}

/// How a match is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By machine code, on the thread's stack.
    SmallStack,
    /// By machine code, on a stack of its own.
    LargeStack,
    Interpreted,
}

/// The matches of one pattern in one text.
pub(crate) struct Matcher<'a> {
    program: &'a Program,
    subject: &'a [u8],
    data: NonNull<sys::pcre2_match_data_8>,
    context: NonNull<sys::pcre2_match_context_8>,
    stack: Option<NonNull<sys::pcre2_jit_stack_8>>,
    way: Way,
    steps_max: u32,
    /// How many places are tried at once.
    places: usize,
    began: Instant,
    time_max: Duration,
    /// PCRE2's memory must not be used from two threads at once.
    one_thread: PhantomData<*mut ()>,
}

impl Drop for Matcher<'_> {
    fn drop(&mut self) {
        // SAFETY: all three came from PCRE2 and are freed once, here; the stack last, since the
        // context refers to it.
        unsafe {
            sys::pcre2_match_data_free_8(self.data.as_ptr());
            sys::pcre2_match_context_free_8(self.context.as_ptr());
            if let Some(stack) = self.stack {
                sys::pcre2_jit_stack_free_8(stack.as_ptr());
            }
        }
    }
}

impl<'a> Matcher<'a> {
    fn new(program: &'a Program, subject: &'a [u8]) -> Result<Self, Exceeded> {
        const KIBIBYTE: usize = 1024;
        let no_memory = Exceeded::Other(sys::PCRE2_ERROR_NOMEMORY);
        // SAFETY: the pattern is valid; the result is as large as its groups need.
        let data = unsafe {
            sys::pcre2_match_data_create_from_pattern_8(program.code.as_ptr(), ptr::null_mut())
        };
        let data = NonNull::new(data).ok_or(no_memory)?;
        // SAFETY: no argument is needed.
        let context = unsafe { sys::pcre2_match_context_create_8(ptr::null_mut()) };
        let Some(context) = NonNull::new(context) else {
            // SAFETY: `data` is valid and freed once.
            unsafe { sys::pcre2_match_data_free_8(data.as_ptr()) };
            return Err(no_memory);
        };
        let octets = u32::try_from(subject.len()).unwrap_or(u32::MAX);
        let steps_max = STEPS_MIN.saturating_add(octets.saturating_mul(STEPS_PER_OCTET));
        let heap_kibibytes = u32::try_from(HEAP_OCTETS_MAX / KIBIBYTE).unwrap_or(u32::MAX);
        // SAFETY: `context` is valid.
        unsafe {
            sys::pcre2_set_match_limit_8(context.as_ptr(), steps_max);
            sys::pcre2_set_depth_limit_8(context.as_ptr(), u32::MAX);
            sys::pcre2_set_heap_limit_8(context.as_ptr(), heap_kibibytes);
        }
        let mut matcher = Self {
            program,
            subject,
            data,
            context,
            stack: None,
            way: Way::SmallStack,
            steps_max,
            places: PLACES_MIN,
            began: Instant::now(),
            time_max: TIME_MAX,
            one_thread: PhantomData,
        };
        if subject.len() > SMALL_TEXT_OCTETS_MAX {
            matcher.enlarge();
        }
        Ok(matcher)
    }

    /// From the thread's stack to an own one; without the memory for that, to the interpreter.
    fn enlarge(&mut self) {
        // SAFETY: no argument is needed but the sizes.
        let stack = unsafe {
            sys::pcre2_jit_stack_create_8(STACK_OCTETS_MIN, STACK_OCTETS_MAX, ptr::null_mut())
        };
        self.stack = NonNull::new(stack);
        self.way = match self.stack {
            Some(stack) => {
                // SAFETY: context and stack are valid, and freed together; without a callback the
                // third argument is the stack (pcre2jit, "Controlling the JIT stack").
                unsafe {
                    sys::pcre2_jit_stack_assign_8(
                        self.context.as_ptr(),
                        None,
                        stack.as_ptr().cast(),
                    );
                }
                Way::LargeStack
            }
            None => Way::Interpreted,
        };
    }

    /// Looks for a match at or behind `from`. The groups are those of this match until the next.
    pub(crate) fn find(&mut self, from: usize, empty: Empty) -> Result<bool, Exceeded> {
        let (mut from, mut empty) = (from, empty);
        while from <= self.subject.len() {
            let began = Instant::now();
            if began.duration_since(self.began) > self.time_max {
                return Err(Exceeded::Time(self.time_max.as_secs()));
            }
            let last = match self.program.search {
                Search::InParts => from.saturating_add(self.places),
                Search::AtOnce => self.subject.len(),
            };
            if self.find_from((from, last), empty)? {
                return Ok(true);
            }
            if began.elapsed() < QUICK {
                self.places = self.places.saturating_mul(2);
            } else {
                self.places = (self.places / 2).max(1);
            }
            // What was said of the first place does not hold for others.
            (from, empty) = (last.saturating_add(1), Empty::Allowed);
        }
        Ok(false)
    }

    /// Looks for a match that begins at one of these places.
    fn find_from(&mut self, places: (usize, usize), empty: Empty) -> Result<bool, Exceeded> {
        loop {
            let found = self.call(places, empty);
            match found {
                sys::PCRE2_ERROR_NOMATCH => return Ok(false),
                sys::PCRE2_ERROR_JIT_STACKLIMIT if self.way == Way::SmallStack => self.enlarge(),
                sys::PCRE2_ERROR_JIT_STACKLIMIT if self.way == Way::LargeStack => {
                    self.way = Way::Interpreted;
                }
                sys::PCRE2_ERROR_MATCHLIMIT => return Err(Exceeded::Steps(self.steps_max)),
                sys::PCRE2_ERROR_HEAPLIMIT | sys::PCRE2_ERROR_NOMEMORY => {
                    return Err(Exceeded::Memory(HEAP_OCTETS_MAX));
                }
                sys::PCRE2_ERROR_RECURSELOOP => return Err(Exceeded::Recursion),
                error if error < 0 => return Err(Exceeded::Other(error)),
                _ => return Ok(true),
            }
        }
    }

    fn call(&mut self, (from, last): (usize, usize), empty: Empty) -> c_int {
        let mut options = 0;
        if empty == Empty::NotAtStart {
            options |= sys::PCRE2_NOTEMPTY_ATSTART;
        }
        if self.way == Way::Interpreted {
            options |= sys::PCRE2_NO_JIT;
        }
        // SAFETY: all pointers are valid and lent to nobody else (`&mut self`); the text is
        // readable for its whole length and outlives this, and `from` is within it.
        unsafe {
            sys::pcre2_set_offset_limit_8(self.context.as_ptr(), last);
            sys::pcre2_match_8(
                self.program.code.as_ptr(),
                self.subject.as_ptr(),
                self.subject.len(),
                from,
                options,
                self.data.as_ptr(),
                self.context.as_ptr(),
            )
        }
    }

    /// Where a group of the last match is; 0 is the whole. Nothing for one that does not exist or
    /// took no part.
    pub(crate) fn group(&self, number: u32) -> Option<Range<usize>> {
        // SAFETY: `data` is valid; after a match its vector holds a pair for each group, all of
        // them set (pcre2api, "How pcre2_match() returns a matched string").
        let ends = unsafe {
            if number >= sys::pcre2_get_ovector_count_8(self.data.as_ptr()) {
                return None;
            }
            let vector = sys::pcre2_get_ovector_pointer_8(self.data.as_ptr());
            let pair = vector.add(number as usize * 2);
            [pair.read(), pair.add(1).read()]
        };
        let [begin, end] = ends;
        // Where `\K` stands in an odd place, an end may come before its beginning.
        (begin <= end && end <= self.subject.len()).then_some(begin..end)
    }

    pub(crate) fn subject(&self) -> &'a [u8] {
        self.subject
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn program(pattern: &[u8]) -> Program {
        Program::compile(pattern, Options::default()).unwrap()
    }

    #[test]
    fn the_interpreter_finds_what_machine_code_finds() {
        let text = b"aa ab abc abcd";
        for pattern in [&br"(a)(b)?\b"[..], br"\Kb", b"(?<=b)c", b"x", br"(?:a|b|(c))*\z"] {
            let program = program(pattern);
            let found = |way: Option<Way>| {
                let mut matcher = program.matcher(text).unwrap();
                matcher.way = way.unwrap_or(matcher.way);
                let is_found = matcher.find(1, Empty::NotAtStart).unwrap();
                is_found.then(|| [0, 1, 2, 3].map(|number| matcher.group(number)))
            };
            assert_eq!(found(Some(Way::Interpreted)), found(None));
        }
    }

    #[test]
    fn a_search_in_parts_finds_what_one_search_finds() {
        let text = [b"a".repeat(3000), b"b\n".to_vec(), b"c".repeat(3000)].concat();
        for pattern in [&b"b"[..], br"\Aa+b", b".*c$", br"(?<=\n)c", br"c\z", br"\z", b"(?!a)"] {
            let mut program = program(pattern);
            let mut found = |search| {
                program.search = search;
                let mut matcher = program.matcher(&text).unwrap();
                matcher.find(0, Empty::Allowed).unwrap().then(|| matcher.group(0))
            };
            assert_eq!(found(Search::InParts), found(Search::AtOnce));
        }
    }

    #[test]
    fn the_clock_ends_what_takes_too_long() {
        let text = [vec![0; 200_000], b"x".to_vec()].concat();
        let program = program(br"(\x00)+\Z");
        let mut matcher = program.matcher(&text).unwrap();
        matcher.time_max = Duration::from_millis(50);
        let found = matcher.find(0, Empty::Allowed);
        assert!(matches!(found, Err(Exceeded::Time(_))), "{found:?}");
    }
}
