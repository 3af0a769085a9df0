//! Named values in order, written as a JSON object or as a line of CSV (RFC 4180). Pure.

use std::borrow::Cow;

use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'v> {
    Text(Cow<'v, str>),
    Number(i128),
    Flag(bool),
    Nothing,
}

/// What has columns.
pub(super) trait Columns {
    /// Says each column's name and value, the same columns in the same order for all of a kind.
    fn say(&self, tell: &mut dyn FnMut(&'static str, Value<'_>));
}

/// The same as JSON.
pub(super) struct Json<'c, C: ?Sized>(pub(super) &'c C);

impl Value<'_> {
    /// A number that may be missing.
    pub(super) fn number(number: Option<impl Into<i128>>) -> Self {
        number.map_or(Value::Nothing, |number| Value::Number(number.into()))
    }
}

impl<'v> Value<'v> {
    /// A text that may be missing.
    pub(super) fn text(text: Option<&'v str>) -> Self {
        text.map_or(Value::Nothing, |text| Value::Text(Cow::Borrowed(text)))
    }

    /// A text made for this.
    pub(super) fn owned(text: &impl ToString) -> Self {
        Value::Text(Cow::Owned(text.to_string()))
    }
}

impl<C: Columns + ?Sized> Serialize for Json<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut written = Ok(());
        self.0.say(&mut |name, value| {
            if written.is_ok() {
                written = match value {
                    Value::Text(text) => map.serialize_entry(name, &text),
                    Value::Number(number) => map.serialize_entry(name, &number),
                    Value::Flag(flag) => map.serialize_entry(name, &flag),
                    Value::Nothing => map.serialize_entry(name, &()),
                };
            }
        });
        written.map_err(S::Error::custom)?;
        map.end()
    }
}

/// Writes a line of JSON.
pub(super) fn json_line(columns: &dyn Columns, out: &mut Vec<u8>) {
    // Writing to a Vec can't fail, and every value can be written.
    let _ = serde_json::to_writer(&mut *out, &Json(columns));
    out.push(b'\n');
}

/// Writes the line of CSV that names the columns.
pub(super) fn csv_head(columns: &dyn Columns, out: &mut Vec<u8>) {
    let mut line = Line { out, is_first: true };
    columns.say(&mut |name, _| line.field(name));
    line.end();
}

/// Writes a line of CSV.
pub(super) fn csv_line(columns: &dyn Columns, out: &mut Vec<u8>) {
    let mut line = Line { out, is_first: true };
    columns.say(&mut |_, value| match value {
        Value::Text(text) => line.field(&text),
        Value::Number(number) => line.field(&number.to_string()),
        Value::Flag(flag) => line.field(if flag { "true" } else { "false" }),
        Value::Nothing => line.field(""),
    });
    line.end();
}

struct Line<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
}

impl Line<'_> {
    fn field(&mut self, text: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        // A program for tables takes these beginnings for a formula; an apostrophe keeps it from that.
        let is_formula = text.starts_with(['=', '+', '@', '\t'])
            || (text.starts_with('-') && text.parse::<f64>().is_err());
        let text = if is_formula { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) };
        if text.contains([',', '"', '\r', '\n']) {
            self.out.extend_from_slice(format!("\"{}\"", text.replace('"', "\"\"")).as_bytes());
        } else {
            self.out.extend_from_slice(text.as_bytes());
        }
    }

    fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Odd;

    impl Columns for Odd {
        fn say(&self, tell: &mut dyn FnMut(&'static str, Value<'_>)) {
            tell("plain", Value::text(Some("a b")));
            tell("quoted", Value::text(Some("say \"hi\", you\r\n")));
            tell("number", Value::Number(-5));
            tell("flag", Value::Flag(true));
            tell("formula", Value::text(Some("=1+2")));
            tell("nothing", Value::text(None));
        }
    }

    #[test]
    fn values_are_written_in_both_forms() {
        let (mut csv, mut json) = (Vec::new(), Vec::new());
        csv_head(&Odd, &mut csv);
        csv_line(&Odd, &mut csv);
        let expected = "plain,quoted,number,flag,formula,nothing\r\n\
                        a b,\"say \"\"hi\"\", you\r\n\",-5,true,'=1+2,\r\n";
        assert_eq!(String::from_utf8(csv).unwrap(), expected);
        json_line(&Odd, &mut json);
        let expected = "{\"plain\":\"a b\",\"quoted\":\"say \\\"hi\\\", you\\r\\n\",\"number\":-5,\
                        \"flag\":true,\"formula\":\"=1+2\",\"nothing\":null}\n";
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }
}
