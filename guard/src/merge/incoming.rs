//! At the copy that was passed over: the primary's guard reads what its engine has, and nobody does anything else with it.

use std::{net::SocketAddr, sync::Arc};

use govuc_roles::{Ballot, Refusal, VolumeId, timing};
use govuc_wire::preamble::{self, MergeOffer};
use tokio::{
    io::{self, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, split},
    sync::oneshot,
    time,
};

use crate::{
    engine,
    metrics::{Kind, Metrics, Reason},
    relay::incoming::refuse,
    turn::{Events, Message},
};

/// What changes nothing.
const QUESTIONS: [&str; 4] = ["LOGIN", "LIST", "SYNCGET", "LOGOUT"];
/// Bytes. A question names a folder at most.
const LONGEST_QUESTION: u64 = 16 * 1024;

pub struct Incoming {
    pub store: String,
    pub engine: SocketAddr,
    pub events: Events,
    pub metrics: Arc<Metrics>,
}

impl Incoming {
    /// A connection from the peer's guard, which is authenticated.
    pub async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Reason> {
        let offer = time::timeout(timing::SYNC_ANSWER, preamble::read::<MergeOffer>(&mut stream))
            .await
            .map_err(|_| Reason::Preamble)?
            .map_err(|_| Reason::Preamble)?;
        if offer.store != self.store {
            return Err(Reason::Identity);
        }
        let (sender, answer) = oneshot::channel();
        self.events.message(Message::MergeOffer {
            ballot: Ballot::new(offer.era, offer.term),
            passed_over: VolumeId(offer.passed_over),
            answer: sender,
        });
        // The turn answers every offer; without it the process is ending.
        let answer = answer.await.map_err(|_| Reason::NotPassedOver)?;
        let say = answer.admitted();
        let until = match answer.verdict {
            Ok(until) => until,
            Err(refusal) => {
                refuse(&mut stream, say, refusal.to_string()).await;
                return Err(why(&refusal));
            }
        };
        let engine = match engine::dial(self.engine).await {
            Ok(engine) => engine,
            Err(error) => {
                refuse(&mut stream, say, format!("the engine is away: {error}")).await;
                return Err(Reason::Engine);
            }
        };
        preamble::write(&mut stream, &say)
            .await
            .map_err(|_| Reason::Preamble)?;
        let _counted = self.metrics.carry(Kind::Merge);
        tokio::select! {
            biased;
            () = until.cancelled() => {}
            // Either side may break it off; who reads judges what that means.
            _ = answer_questions(stream, engine) => {}
        }
        Ok(())
    }
}

fn why(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::Stale(_) => Reason::Stale,
        _ => Reason::NotPassedOver,
    }
}

/// Ends with a line that is no question; the engine does not hear it.
async fn answer_questions(
    reader: impl AsyncRead + AsyncWrite,
    engine: impl AsyncRead + AsyncWrite,
) -> io::Result<()> {
    let (asked, mut told) = split(reader);
    let (mut answers, mut questions) = split(engine);
    let ask = async {
        let mut asked = BufReader::new(asked);
        loop {
            let mut line = String::new();
            (&mut asked).take(LONGEST_QUESTION).read_line(&mut line).await?;
            if !is_question(&line) {
                tracing::warn!("the copy in quarantine was told something else than a question");
                return Ok(());
            }
            questions.write_all(line.as_bytes()).await?;
        }
    };
    tokio::select! {
        ended = ask => ended,
        answered = io::copy(&mut answers, &mut told) => answered.map(drop),
    }
}

/// A whole line, with nothing that goes on in the next one.
fn is_question(line: &str) -> bool {
    let Some(line) = line.strip_suffix("\r\n") else {
        return false;
    };
    let mut words = line.split(' ').skip(1);
    let known = words.next().is_some_and(|word| QUESTIONS.contains(&word));
    known && !line.ends_with('}') && !line.contains(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[test]
    fn only_questions_are_passed() {
        for line in [
            "D0 LOGIN \"govuc-sync\" \"v1\"\r\n",
            "D0 LIST \"\" \"*\"\r\n",
            "D0 SYNCGET FETCH %(MBOXNAME \"user.3f\" UID 1)\r\n",
            "Q LOGOUT\r\n",
        ] {
            assert!(is_question(line), "{line}");
        }
        for line in [
            "",
            "\r\n",
            "D0\r\n",
            "D0 SYNCGET USER \"3f\"",
            "D0 SYNCGET USER {2+}\r\n",
            "D0 SYNCAPPLY UNUSER 3f\r\n",
            "D0 SYNCRESTORE MAILBOX %()\r\n",
            "D0 DELETE user/3f\r\n",
            "D0 syncget USER 3f\r\n",
        ] {
            assert!(!is_question(line), "{line}");
        }
    }

    #[tokio::test]
    async fn what_is_no_question_ends_it_unheard() {
        let ((near, far), (engine, mut inside)) = (duplex(1000), duplex(1000));
        let serving = tokio::spawn(answer_questions(far, engine));
        let (mut hears, mut says) = split(near);
        inside.write_all(b"* OK ready\r\n").await.unwrap();
        says.write_all(b"D0 LIST \"\" \"*\"\r\nD0 DELETE user/3f\r\n")
            .await
            .unwrap();
        let ended = time::timeout(std::time::Duration::from_secs(60), serving).await;
        ended.expect("it passes on what is no question").unwrap().unwrap();
        let (mut heard, mut told) = (String::new(), String::new());
        inside.read_to_string(&mut heard).await.unwrap();
        hears.read_to_string(&mut told).await.unwrap();
        assert_eq!(heard, "D0 LIST \"\" \"*\"\r\n");
        assert!("* OK ready\r\n".starts_with(&told), "{told}");
    }
}
