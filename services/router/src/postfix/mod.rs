//! What Postfix asks: socketmap, one question and one answer at a time on each connection (socketmap_table(5)).

mod map;
mod netstring;

use std::time::Duration;

use tokio::{
    io::BufStream,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time,
};
use tokio_util::sync::CancellationToken;

pub use map::{Map, Reply, lookup};

use crate::{primaries::Primaries, providers::Providers, telemetry::Metrics};

/// What the answers are made from.
#[derive(Clone)]
pub struct Knowledge {
    pub providers: Providers,
    pub primaries: Primaries,
    pub metrics: Metrics,
}

/// Answers until cancelled.
pub async fn serve(listener: TcpListener, knowledge: Knowledge, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, knowledge.clone()));
                }
                Err(error) => {
                    tracing::error!(%error, "a connection could not be accepted");
                    time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, knowledge: Knowledge) {
    let mut stream = BufStream::new(stream);
    loop {
        let request = match netstring::read(&mut stream).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "Postfix asked in a form that is not understood");
                return;
            }
        };
        let reply = lookup(&request, &knowledge).await;
        if netstring::write(&mut stream, &reply.to_string()).await.is_err() {
            return; // Postfix closed the connection; it asks again on another.
        }
    }
}
