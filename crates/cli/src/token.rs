//! Access tokens: fetched anew for each login, since they are good for an hour or so and a run may
//! take days.

use std::sync::Arc;

use mailferry_imap::credentials::Secret;
use mailferry_oauth::RequestError;
use mailferry_oauth::keeper::Keeper;

use crate::secret::{SecretError, SecretFrom};

/// Where access tokens come from.
#[derive(Clone, Debug)]
pub enum TokenFrom {
    /// From a place that somebody else keeps up to date.
    Place {
        /// The place.
        place: SecretFrom,
        /// What is found there.
        form: Form,
    },
    /// From an authorisation server.
    Keeper(Arc<Keeper>),
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
    /// The authorisation server gave none.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The task that fetched it broke off.
    #[error("fetching the access token was broken off")]
    BrokenOff,
}

impl TokenError {
    /// Whether it may go well later, where it went well before.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Request(error) => error.is_passing(),
            _ => true,
        }
    }
}

impl TokenFrom {
    /// Access tokens from there.
    #[must_use]
    pub fn new(place: SecretFrom) -> Self {
        Self::Place { place, form: Form::Token }
    }

    /// The token of now.
    ///
    /// # Errors
    /// See [`TokenError`]; no message holds any part of a token.
    pub async fn fetch(&self) -> Result<Secret, TokenError> {
        let from = self.clone();
        // A command or a server may take its time, and other connections are at work meanwhile.
        let fetched = tokio::task::spawn_blocking(move || from.fetch_and_block()).await;
        fetched.map_err(|_| TokenError::BrokenOff)?
    }

    fn fetch_and_block(&self) -> Result<Secret, TokenError> {
        match self {
            Self::Keeper(keeper) => Ok(Secret::token(keeper.token()?.expose())),
            Self::Place { place, form } => {
                let octets = place.fetch()?;
                match (octets.trim_ascii(), form) {
                    ([], _) => Err(TokenError::Empty),
                    (token, Form::Token) => Ok(Secret::token(token)),
                    (token, Form::Response) => Ok(Secret::TokenResponse(token.to_vec().into())),
                }
            }
        }
    }

    /// Hears that a server refused this token; whether another one may be had at once.
    #[must_use]
    pub fn forget(&self, refused: &Secret) -> bool {
        match (self, std::str::from_utf8(refused.octets())) {
            (Self::Keeper(keeper), Ok(token)) => keeper.forget(&token.into()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::secret::COMMAND_WAIT_USUAL;

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
        let (command, wait) = ("echo geheim; exit 3".to_owned(), COMMAND_WAIT_USUAL);
        let token = TokenFrom::new(SecretFrom::Command { command, wait });
        let words = token.fetch().await.unwrap_err().to_string();
        assert!(words.contains("failed") && words.matches("geheim").count() == 1, "{words}");
    }
}
