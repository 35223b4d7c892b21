//! Access tokens: fetched anew for each login, since they are good for an hour or so and a run may
//! take days.

use mailferry_imap::credentials::Secret;

use crate::secret::{SecretError, SecretFrom};

/// Where access tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFrom {
    /// The place.
    pub place: SecretFrom,
    /// What is found there.
    pub form: Form,
}

/// What is found in the place of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The access token.
    Token,
    /// The whole response of XOAUTH2, in base64.
    Response,
}

/// There is no access token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its place gave none.
    #[error(transparent)]
    Place(#[from] SecretError),
    /// Its place is there and empty.
    #[error("the place of the access token is empty")]
    Empty,
    /// The task that fetched it broke off.
    #[error("fetching the access token was broken off")]
    BrokenOff,
}

impl TokenFrom {
    /// Access tokens from there.
    #[must_use]
    pub fn new(place: SecretFrom) -> Self {
        Self { place, form: Form::Token }
    }

    /// The token of now.
    ///
    /// # Errors
    /// See [`TokenError`]; no message holds any part of a token.
    pub async fn fetch(&self) -> Result<Secret, TokenError> {
        let place = self.place.clone();
        // A command may take its time, and other connections are at work meanwhile.
        let fetched = tokio::task::spawn_blocking(move || place.fetch()).await;
        let octets = fetched.map_err(|_| TokenError::BrokenOff)??;
        match (octets.trim_ascii(), self.form) {
            ([], _) => Err(TokenError::Empty),
            (token, Form::Token) => Ok(Secret::token(token)),
            (token, Form::Response) => Ok(Secret::TokenResponse(token.to_vec().into())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_token_file_is_read_again_at_each_login() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let token = TokenFrom::new(SecretFrom::File(file.clone()));
        assert!(matches!(token.fetch().await, Err(TokenError::Place(_))));
        for (content, expected) in [("one\n", "one"), ("two\r\nmore", "two")] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(token.fetch().await.unwrap().octets(), expected.as_bytes());
        }
        std::fs::write(&file, " \n").unwrap();
        assert!(matches!(token.fetch().await, Err(TokenError::Empty)));
    }

    #[tokio::test]
    async fn a_word_that_is_no_file_is_the_token_itself() {
        let token = TokenFrom::new(SecretFrom::FileOrGiven(b"ya29.word".to_vec()));
        assert_eq!(token.fetch().await.unwrap().octets(), b"ya29.word");
    }

    #[tokio::test]
    async fn a_command_that_fails_says_so_and_shows_no_token() {
        let token = TokenFrom::new(SecretFrom::Command("echo geheim; exit 3".to_owned()));
        let words = token.fetch().await.unwrap_err().to_string();
        assert!(words.contains("failed") && words.matches("geheim").count() == 1, "{words}");
    }
}
