//! What a person agrees to at a terminal.

use std::io::{self, IsTerminal, Write};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing was done: standard input is no terminal to confirm at. Write --yes to go on without")]
    NoTerminal,
    #[error("nothing was done: what was typed is not {0:?}")]
    Declined(String),
    #[error("standard input can't be read")]
    Input(#[from] io::Error),
}

/// Has a person at a terminal type the word.
pub fn by_typing(word: &str) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::NoTerminal);
    }
    eprint!("Type {word} to go on: ");
    io::stderr().flush()?;
    let mut typed = String::new();
    io::stdin().read_line(&mut typed)?;
    if typed.trim() == word {
        Ok(())
    } else {
        Err(Error::Declined(word.to_owned()))
    }
}
