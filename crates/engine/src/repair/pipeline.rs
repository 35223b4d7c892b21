//! Several transforms, one behind the other.

use super::Transform;

/// Makes of the octets of a source message those that are sent, step by step.
#[derive(Default)]
pub struct Repair {
    stages: Vec<Box<dyn Transform + Send>>,
    /// What one stage gives the next.
    between: Vec<u8>,
}

impl std::fmt::Debug for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repair of {} stages", self.stages.len())
    }
}

impl Repair {
    /// Whether the octets stay as they are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    pub(super) fn then(&mut self, stage: impl Transform + Send + 'static) {
        self.stages.push(Box::new(stage));
    }
}

impl Transform for Repair {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        run(&mut self.stages, &mut self.between, chunk, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let mut rest = self.stages.as_mut_slice();
        while let [stage, behind @ ..] = rest {
            let mut last = Vec::new();
            stage.finish(&mut last);
            run(behind, &mut self.between, &last, out);
            rest = behind;
        }
    }

    fn edits(&self) -> u64 {
        self.stages.iter().map(|stage| stage.edits()).sum()
    }
}

/// Sends octets through stages; what comes out behind the last is appended to `out`.
fn run(
    stages: &mut [Box<dyn Transform + Send>],
    between: &mut Vec<u8>,
    chunk: &[u8],
    out: &mut Vec<u8>,
) {
    match stages {
        [] => out.extend_from_slice(chunk),
        [last] => last.push(chunk, out),
        [first, others @ .., last] => {
            let mut octets = std::mem::take(between);
            octets.clear();
            first.push(chunk, &mut octets);
            for stage in others {
                let mut next = Vec::with_capacity(octets.len());
                stage.push(&octets, &mut next);
                octets = next;
            }
            last.push(&octets, out);
            *between = octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FoldHeader, LineLimit, MendLineEnds, RemoveNuls, transformed};
    use super::*;
    use crate::identity::KeyRule;

    fn repair(stages: usize) -> Repair {
        let mut repair = Repair::default();
        if stages > 0 {
            repair.then(MendLineEnds::new());
        }
        if stages > 1 {
            repair.then(RemoveNuls::new(&KeyRule::default()));
        }
        if stages > 2 {
            repair.then(FoldHeader::new(LineLimit::new(76)));
        }
        repair
    }

    #[test]
    fn each_stage_takes_what_the_one_before_it_gives_to_the_end() {
        let word = "w".repeat(70);
        let message = format!("X: {word} {word}\n\0Y: z\r");
        let expected = [
            message.clone(),
            format!("X: {word} {word}\r\n\0Y: z\r\n"),
            format!("X: {word} {word}\r\nY: z\r\n"),
            format!("X: {word}\r\n {word}\r\nY: z\r\n"),
        ];
        for (stages, expected) in expected.iter().enumerate() {
            let out = transformed(repair(stages), message.as_bytes());
            assert_eq!(&String::from_utf8_lossy(&out), expected);
            let mut by_octets = repair(stages);
            let mut out = Vec::new();
            message.as_bytes().chunks(1).for_each(|octet| by_octets.push(octet, &mut out));
            by_octets.finish(&mut out);
            assert_eq!(&String::from_utf8_lossy(&out), expected);
            assert_eq!(by_octets.is_empty(), stages == 0);
            assert_eq!(by_octets.edits(), [0, 2, 3, 4][stages]);
            // What the later stages hold comes too.
            assert_eq!(transformed(repair(stages), b"X: no end"), b"X: no end");
        }
    }
}
