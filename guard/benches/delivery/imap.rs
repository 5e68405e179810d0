//! Just enough IMAP to make mailboxes.

use std::io::{BufRead, BufReader, Read, Write};

/// As an administrator with this name and password.
pub fn create_mailboxes(stream: impl Read + Write, login: (&str, &str), users: &[String]) {
    let mut stream = BufReader::new(stream);
    let mut greeting = String::new();
    stream.read_line(&mut greeting).unwrap();
    assert!(greeting.starts_with("* OK"), "{greeting}");
    let (user, password) = login;
    run(&mut stream, &format!("LOGIN {user} {password}"));
    for user in users {
        run(&mut stream, &format!("CREATE user/{user}"));
    }
    run(&mut stream, "LOGOUT");
}

fn run(stream: &mut BufReader<impl Read + Write>, command: &str) {
    stream
        .get_mut()
        .write_all(format!("T {command}\r\n").as_bytes())
        .unwrap();
    let mut line = String::new();
    while !line.starts_with("T ") {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "{command}");
    }
    assert!(line.starts_with("T OK"), "{line}");
}
