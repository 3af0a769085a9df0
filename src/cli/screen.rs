//! Where people read what a command says. Names, models, users and reasons are others' words, and no word
//! of others moves a terminal's cursor, hides a line or makes one up:
//!
//! | written | reaches the terminal as |
//! | --- | --- |
//! | one formatted line | itself, with everything inside it that is not plain shown as `\u{1b}` |
//! | a block of lines | the same, line by line: only for what this program puts into lines itself |
//! | what programs read: JSON, CSV, an export | the very bytes |

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use serde::Serialize;

use crate::api::is_disguise;

/// One of the process's outputs. `write!` and `writeln!` to it are for people.
pub struct Screen<'w>(&'w mut dyn Write);

impl<'w> Screen<'w> {
    pub(super) fn new(to: &'w mut dyn Write) -> Self {
        Self(to)
    }

    /// Writes a line, or a part of one: a line ends only at the end of what is formatted.
    pub(super) fn write_fmt(&mut self, line: fmt::Arguments<'_>) -> io::Result<()> {
        let line = line.to_string();
        let (text, end) = line.strip_suffix('\n').map_or((line.as_str(), ""), |text| (text, "\n"));
        self.0.write_all(plain(text).as_bytes())?;
        self.0.write_all(end.as_bytes())
    }

    /// Writes several lines.
    pub(super) fn block(&mut self, lines: &dyn fmt::Display) -> io::Result<()> {
        lines.to_string().lines().try_for_each(|line| writeln!(self, "{line}"))
    }

    /// Writes a value as a line of JSON, which a program reads.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.0, value)?;
        self.0.write_all(b"\n")
    }

    /// For bytes that a program reads.
    pub(super) fn raw(&mut self) -> &mut dyn Write {
        &mut *self.0
    }
}

/// A text without control characters and without those that hide text or show it in another order.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_disguise(character) {
            // Writing to a String can't fail.
            let _ = write!(plain, "{}", character.escape_unicode());
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Screen<'_>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        write(&mut Screen::new(&mut bytes)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn words_of_others_can_do_nothing_to_a_terminal() {
        for (word, shown) in [
            ("\u{1b}[2J\u{1b}]0;title\u{7}", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
            ("\u{9b}31m\u{7f}", r"\u{9b}31m\u{7f}"),
            ("invoice\u{202e}fdp", r"invoice\u{202e}fdp"),
            ("one\r\ntwo\t", r"one\u{d}\u{a}two\u{9}"),
            (
                "Zo\u{eb} \u{5d0}\u{5d1} \u{1f469}\u{200d}\u{1f4bb} \\u{1b}",
                "Zo\u{eb} \u{5d0}\u{5d1} \u{1f469}\u{200d}\u{1f4bb} \\u{1b}",
            ),
        ] {
            assert_eq!(written(|to| writeln!(to, "{word:<3} |")), format!("{shown} |\n"));
            assert_eq!(written(|to| write!(to, "{word}|")), format!("{shown}|"));
        }
        let block = written(|to| to.block(&"a\u{1b}\nb\n"));
        assert_eq!(block, "a\\u{1b}\nb\n");
    }

    #[test]
    fn what_a_program_reads_is_as_it_came() {
        let word = "\u{202e}\u{7f}";
        assert_eq!(written(|to| to.json(&word)), format!("\"{word}\"\n"));
        assert_eq!(written(|to| to.raw().write_all(b"\x1b\r\n")), "\u{1b}\r\n");
    }
}
