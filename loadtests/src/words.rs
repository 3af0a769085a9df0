//! The text of simulated answers: ` w0 w1 w2 …`, one word a token, so that whoever reads an answer can
//! tell whether it is complete, in order, and free of repetition, however it was put together. Pure.

use bytes::BufMut;

/// Writes the word of the `index`-th token.
pub fn put(buffer: &mut impl BufMut, index: u64) {
    buffer.put_slice(b" w");
    put_number(buffer, index);
}

/// The most bytes of a word.
pub const WORD_BYTES_MAX: usize = 22;

/// Writes a number in decimal.
pub fn put_number(buffer: &mut impl BufMut, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut length = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        length += 1;
        if number == 0 {
            break;
        }
    }
    let (_, written) = digits.split_at(digits.len() - length);
    buffer.put_slice(written);
}

/// How many tokens `text` holds, when it is the beginning of an answer: one more than its last word
/// says.
pub fn next_after(text: &str) -> u64 {
    let last = text.rsplit(" w").next().filter(|last| last.len() < text.len());
    last.and_then(|digits| digits.trim_end().parse::<u64>().ok()).map_or(0, |last| last + 1)
}

/// Reads the text of an answer, cut anywhere, and counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    in_order: u64,
    misplaced: u64,
    at: At,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Gap,
    Space,
    Letter,
    Number(u64),
    Strange,
}

impl Words {
    /// Reads a whole text.
    pub fn of(text: &str) -> Self {
        let mut words = Self::default();
        words.read(text.as_bytes());
        words
    }

    /// Reads on.
    pub fn read(&mut self, text: &[u8]) {
        for &byte in text {
            let digit = byte.wrapping_sub(b'0');
            self.at = match (self.at, byte) {
                (At::Number(number), b' ') => {
                    self.count(number);
                    At::Space
                }
                (At::Strange, b' ') => {
                    self.misplaced += 1;
                    At::Space
                }
                (At::Gap, b' ') => At::Space,
                (At::Space, b'w') => At::Letter,
                (At::Letter, _) if digit < 10 => At::Number(u64::from(digit)),
                (At::Number(number), _) if digit < 10 => {
                    At::Number(number.saturating_mul(10).saturating_add(u64::from(digit)))
                }
                _ => At::Strange,
            };
        }
    }

    /// Words that stood where they belong: the first of them is 0, and each is one more than the one
    /// before.
    pub fn in_order(&self) -> u64 {
        self.ended().in_order
    }

    /// Words that stood elsewhere, and whatever is none.
    pub fn misplaced(&self) -> u64 {
        self.ended().misplaced
    }

    /// Whether these are the first `tokens` words, and nothing else.
    pub fn are_exactly(&self, tokens: u64) -> bool {
        let ended = self.ended();
        ended.misplaced == 0 && ended.in_order == tokens
    }

    fn count(&mut self, number: u64) {
        if number == self.in_order {
            self.in_order += 1;
        } else {
            self.misplaced += 1;
        }
    }

    /// The counts if the text ends here.
    fn ended(&self) -> Self {
        let mut ended = self.clone();
        match ended.at {
            At::Number(number) => ended.count(number),
            At::Gap => {}
            At::Space | At::Letter | At::Strange => ended.misplaced += 1,
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(indices: impl IntoIterator<Item = u64>) -> String {
        let mut text = Vec::new();
        for index in indices {
            put(&mut text, index);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn words_are_counted_where_they_belong() {
        for (text, in_order, misplaced) in [
            (text(0..12), 12, 0),
            (String::new(), 0, 0),
            (text((0..4).chain(0..4)), 4, 4),
            (text((0..4).chain(5..7)), 4, 2),
            (text((0..4).chain(3..7)), 7, 1),
            (text(3..5), 0, 2),
            (" w0 wx w1".to_owned(), 2, 1),
            (" w0 w".to_owned(), 1, 1),
            (" w0{\"error\"}".to_owned(), 0, 1),
        ] {
            let words = Words::of(&text);
            assert_eq!((words.in_order(), words.misplaced()), (in_order, misplaced), "{text:?}");
        }
        assert!(Words::of(&text(0..60)).are_exactly(60));
        assert!(!Words::of(&text(0..60)).are_exactly(61));
    }

    #[test]
    fn a_text_is_read_the_same_wherever_it_is_cut() {
        let text = text(8..12);
        for cut in 0..text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let mut words = Words::default();
            words.read(first);
            words.read(second);
            assert_eq!(words, Words::of(&text), "cut at {cut}");
        }
    }

    #[test]
    fn a_beginning_says_which_token_comes_next() {
        assert_eq!(next_after(&text(0..40)), 40);
        assert_eq!(next_after(&text(0..1)), 1);
        for other in ["", "Sure, here it is: ", " wide"] {
            assert_eq!(next_after(other), 0, "{other}");
        }
    }
}
