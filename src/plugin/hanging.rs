//! Text of at most 100 columns, with what follows a head below itself: pure.

/// What a terminal shows without folding.
pub const WIDTH: usize = 100;

/// Words below each other behind the head, which is `indent` columns wide. One that is too long stands alone.
pub fn hanging(head: &str, indent: usize, text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = head.to_owned();
    let mut columns = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if columns > indent && columns + 1 + width > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            columns = indent;
        }
        if columns > indent {
            line.push(' ');
            columns += 1;
        }
        line.push_str(word);
        columns += width;
    }
    lines.push(line);
    lines
}
