//! What is wrong with a request, in words for the client. Pure.

use crate::dialect::json::{Fault, Kind};

/// Names in messages are cut at this many characters.
const SHOWN_CHARS_MAX: usize = 60;

/// Why a request is answered with 400.
///
/// All of them are of the type `invalid_request_error`; the text is meant for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The body can't be read.
    #[error("the request body could not be parsed: {0}")]
    Json(#[from] Fault),
    /// The body is JSON but no object.
    #[error("the request body must be a JSON object, not {}", .0.name())]
    NotAnObject(Kind),
    /// A field that must be there is not.
    #[error("missing required parameter: '{0}'")]
    Missing(&'static str),
    /// A field has a value of another type.
    #[error("invalid type for '{field}': expected {expected}, but got {} instead", found.name())]
    WrongType {
        /// The field's path.
        field: &'static str,
        /// What it should be, with its article.
        expected: &'static str,
        /// What it is.
        found: Kind,
    },
    /// A number with a fraction or an exponent where a whole one is needed.
    #[error("invalid value for '{0}': expected a whole number written in digits")]
    NotWhole(&'static str),
    /// A number is too small.
    #[error("invalid value for '{field}': expected at least {least}")]
    TooSmall {
        /// The field's path.
        field: &'static str,
        /// The least allowed.
        least: u64,
    },
    /// A number is too large.
    #[error("invalid value for '{field}': expected at most {most}")]
    TooLarge {
        /// The field's path.
        field: &'static str,
        /// The most allowed.
        most: u64,
    },
    /// A text or list is empty.
    #[error("invalid value for '{0}': it must not be empty")]
    Empty(&'static str),
    /// A text is too long.
    #[error("invalid value for '{field}': at most {most} bytes are allowed")]
    TooLong {
        /// The field's path.
        field: &'static str,
        /// The most bytes allowed.
        most: usize,
    },
    /// A field that decides about the bill is there twice.
    #[error("the parameter '{0}' is given more than once")]
    Duplicate(&'static str),
    /// A list has too many entries.
    #[error("invalid value for '{field}': at most {most} are allowed")]
    TooMany {
        /// The field's path.
        field: &'static str,
        /// The most entries allowed.
        most: usize,
    },
    /// A text is none of those that mean something.
    #[error("invalid value for '{field}': expected one of {words}")]
    NotOneOf {
        /// The field's path.
        field: &'static str,
        /// Those that do.
        words: &'static str,
    },
    /// No amount of dollars.
    #[error("invalid value for '{0}': expected US dollars in digits, such as 0.5")]
    NotAnAmount(&'static str),
    /// A header's value is not ASCII.
    #[error("invalid value for '{0}': expected visible characters of ASCII")]
    NotAscii(&'static str),
    /// A member of an object that is ours alone, and none that we know.
    #[error("unknown parameter: '{field}.{name}'")]
    Unknown {
        /// The object's path.
        field: &'static str,
        /// The member's name, or the beginning of it.
        name: Box<str>,
    },
    /// A header that is ours by its name, and none that we know.
    #[error("unknown header: '{0}'")]
    UnknownHeader(Box<str>),
    /// A field differs from one that decides about the bill in the case of its letters only.
    #[error("unknown parameter: write '{0}' in lower case")]
    Misspelt(&'static str),
}

impl EnvelopeError {
    /// OpenAI's `error.type`.
    pub const KIND: &'static str = "invalid_request_error";

    pub(in crate::dialect) fn unknown(field: &'static str, name: &str) -> Self {
        Self::Unknown { field, name: name.chars().take(SHOWN_CHARS_MAX).collect() }
    }

    /// OpenAI's `error.param`: the field at fault.
    pub fn param(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) | Self::NotAnObject(_) | Self::UnknownHeader(_) => None,
            Self::Missing(field)
            | Self::NotWhole(field)
            | Self::Empty(field)
            | Self::Duplicate(field)
            | Self::Misspelt(field)
            | Self::WrongType { field, .. }
            | Self::TooSmall { field, .. }
            | Self::TooLarge { field, .. }
            | Self::NotAnAmount(field)
            | Self::NotAscii(field)
            | Self::TooMany { field, .. }
            | Self::NotOneOf { field, .. }
            | Self::Unknown { field, .. }
            | Self::TooLong { field, .. } => Some(field),
        }
    }

    /// OpenAI's `error.code`.
    pub fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Json(_) | Self::NotAnObject(_) => return None,
            Self::Missing(_) => "missing_required_parameter",
            Self::WrongType { .. } | Self::NotWhole(_) => "invalid_type",
            Self::TooSmall { .. } => "integer_below_min_value",
            Self::TooLarge { .. } => "integer_above_max_value",
            Self::Empty(_) | Self::NotOneOf { .. } | Self::NotAnAmount(_) | Self::NotAscii(_) => {
                "invalid_value"
            }
            Self::TooMany { .. } => "array_above_max_length",
            Self::TooLong { .. } => "string_above_max_length",
            Self::Duplicate(_) => "duplicate_parameter",
            Self::Misspelt(_) | Self::Unknown { .. } | Self::UnknownHeader(_) => {
                "unknown_parameter"
            }
        })
    }
}
