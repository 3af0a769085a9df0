//! What the simulated model says, and how many tokens that is. Pure.

use super::wire::{ChatRequest, Content, Message};

/// What an image counts as.
const TOKENS_PER_IMAGE: u64 = 85;
/// What a message counts as beside its text.
const TOKENS_PER_MESSAGE: u64 = 4;
/// Longer words are several tokens.
const TOKEN_CHARS_MAX: usize = 8;
/// More of a message than this is not repeated.
const REPEATED_CHARS_MAX: usize = 4_000;

/// One answer, cut to its ceiling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The text, token by token.
    pub(super) tokens: Vec<String>,
    /// Whether the ceiling cut it.
    pub(super) is_cut: bool,
    /// The prompt's size.
    pub(super) prompt_tokens: u64,
}

/// Answers by repeating the user's last message, the same for the same request.
pub(super) fn answer(request: &ChatRequest) -> Answer {
    let messages = request.messages.as_deref().unwrap_or_default();
    let asked = messages.iter().rev().find(|message| message.role.as_deref() == Some("user"));
    let asked = asked.map(message_text).unwrap_or_default();
    let repeated: String = asked.chars().take(REPEATED_CHARS_MAX).collect();
    let text = format!(
        "You said: {repeated}\n\nI am {}, simulated inside InferGate, so I can only repeat it. With a \
         provider's credential in the environment, a real model answers here.",
        request.model.as_deref().unwrap_or("a model"),
    );
    let mut tokens: Vec<String> = tokens(&text).map(str::to_owned).collect();
    let is_cut = match request.ceiling() {
        Some(ceiling) if (tokens.len() as u64) > ceiling => {
            tokens.truncate(usize::try_from(ceiling).unwrap_or(usize::MAX));
            true
        }
        _ => false,
    };
    Answer { tokens, is_cut, prompt_tokens: messages.iter().map(message_tokens).sum() }
}

fn message_text(message: &Message) -> String {
    match &message.content {
        None => String::new(),
        Some(Content::Text(text)) => text.clone(),
        Some(Content::Parts(parts)) => {
            let texts: Vec<_> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
            texts.join("\n")
        }
    }
}

fn message_tokens(message: &Message) -> u64 {
    let images = match &message.content {
        Some(Content::Parts(parts)) => {
            parts.iter().filter(|part| part.kind.as_deref() == Some("image_url")).count()
        }
        _ => 0,
    };
    let words = tokens(&message_text(message)).count();
    TOKENS_PER_MESSAGE + words as u64 + TOKENS_PER_IMAGE * images as u64
}

/// Cuts a text into words, each with the white space before it, and long words into pieces.
/// Together they are the text.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut is_in_word = false;
        let mut word_chars = 0;
        let end = rest.char_indices().find_map(|(index, letter)| {
            let is_space = letter.is_whitespace();
            let is_end = (is_in_word && is_space) || word_chars == TOKEN_CHARS_MAX;
            is_in_word |= !is_space;
            word_chars += usize::from(!is_space);
            is_end.then_some(index)
        });
        let (token, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = after;
        (!token.is_empty()).then_some(token)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(json: &str) -> ChatRequest {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_text_is_cut_into_words_and_long_words_into_pieces() {
        for (text, expected) in [
            ("", &[][..]),
            ("one two", &["one", " two"]),
            ("  one \n", &["  one", " \n"]),
            ("extraordinary", &["extraord", "inary"]),
            ("ünïcödé-wörds", &["ünïcödé-", "wörds"]),
        ] {
            assert_eq!(tokens(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn the_last_message_of_the_user_is_repeated() {
        let answer = answer(&request(
            r#"{"model": "sim-small", "messages": [
                {"role": "user", "content": "first"},
                {"role": "assistant", "content": null, "tool_calls": []},
                {"role": "user", "content": [{"type": "text", "text": "hello there"},
                    {"type": "image_url", "image_url": {"url": "data:,"}}]},
                {"role": "assistant", "content": "well"}]}"#,
        ));
        assert!(answer.tokens.concat().starts_with("You said: hello there\n\nI am sim-small"));
        assert_eq!((answer.is_cut, answer.prompt_tokens), (false, 4 * 4 + 1 + 2 + 85 + 1));
    }

    #[test]
    fn the_lower_of_two_ceilings_cuts_the_answer() {
        let cut =
            answer(&request(r#"{"messages": [], "max_tokens": 5, "max_completion_tokens": 3}"#));
        assert_eq!((cut.tokens.len(), cut.is_cut), (3, true));
    }

    proptest! {
        #[test]
        fn tokens_together_are_the_text_and_none_is_empty(text in any::<String>()) {
            prop_assert_eq!(tokens(&text).collect::<String>(), text.as_str());
            prop_assert!(tokens(&text).all(|token| !token.is_empty()));
            prop_assert!(tokens(&text).count() <= text.len());
        }
    }
}
