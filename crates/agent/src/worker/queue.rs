//! RabbitMQ as the source of executions: a message names one, and the server gives it to who claims it first.
//!
//! A message is acknowledged when the end of its execution is on record, or when there is nothing to run: what is delivered twice is
//! claimed once. Whatever becomes of the connection meanwhile, the execution is this worker's by its lease alone.

use std::{future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use countersign_api::{
    ClientError,
    queue::{self, Broker, BrokerError},
};
use countersign_guard::Clock;
use futures_core::Stream as _;
use lapin::{
    Acker, Channel, Connection, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    standing::Standing,
    work::{NoWork, Taken, Work},
};

/// How long a message is waited for before a worker looks whether it is to stop.
const WAIT: Duration = Duration::from_secs(5);

/// How long a broker may take to answer what is asked of a connection that stands.
const ANSWER: Duration = Duration::from_secs(10);

/// The messages of the worker's project.
pub(crate) struct Messages {
    broker: Broker,
    standing: Arc<Standing>,
    clock: Arc<dyn Clock>,
    /// As many messages as the broker gives before the first is acknowledged: what this worker can run at once.
    prefetch: u16,
    link: Mutex<Option<Link>>,
}

struct Link {
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
    /// A message whose execution could not be asked for yet.
    pending: Option<Delivery>,
}

impl Messages {
    pub(crate) fn new(
        broker: Broker,
        standing: Arc<Standing>,
        clock: Arc<dyn Clock>,
        concurrency: u32,
    ) -> Self {
        Self {
            broker,
            standing,
            clock,
            prefetch: u16::try_from(concurrency).unwrap_or(u16::MAX),
            link: Mutex::new(None),
        }
    }

    async fn open(&self) -> Result<Link, BrokerError> {
        let project = self.standing.project().await;
        let project =
            project.ok_or_else(|| BrokerError::away("this worker's token names no project"))?;
        let connection = self.broker.connect("countersign worker").await?;
        let consume = async {
            let channel = connection.create_channel().await?;
            channel
                .basic_qos(self.prefetch, BasicQosOptions::default())
                .await?;
            let queue = queue::executions_of(project);
            let consumer = channel
                .basic_consume(
                    queue.into(),
                    "".into(),
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                )
                .await?;
            Ok((channel, consumer))
        };
        let (channel, consumer) = answered(consume).await?;
        Ok(Link {
            connection,
            channel,
            consumer,
            pending: None,
        })
    }
}

impl Work for Messages {
    type Receipt = Acker;

    async fn take(&self, _most: u32) -> Result<Vec<Taken<Acker>>, NoWork> {
        let mut slot = self.link.lock().await;
        let mut link = match slot.take() {
            Some(link) if link.is_usable() => link,
            Some(_) | None => self.open().await.map_err(NoWork::Queue)?,
        };
        let delivery = link.next().await.map_err(NoWork::Queue)?;
        let link = slot.insert(link);
        let Some(delivery) = delivery else {
            return Ok(Vec::new());
        };
        let Some(execution) = queue::execution_in(&delivery.data) else {
            dead(&delivery).await;
            return Ok(Vec::new());
        };
        let client = self.standing.client().await;
        let asked = self.clock.elapsed();
        match client.claim_one(&execution.to_string()).await {
            Ok(claimed) => {
                let Some(execution) = claimed.executions.into_iter().next() else {
                    // Somebody has it, or it is over: the message has done its work.
                    acknowledge(&delivery.acker).await;
                    return Ok(Vec::new());
                };
                Ok(vec![Taken {
                    execution,
                    asked,
                    receipt: delivery.acker,
                }])
            }
            Err(error) => {
                match error.status() {
                    // This worker's project has no such execution.
                    Some(404) if is_ours(&error) => {
                        dead(&delivery).await;
                        return Ok(Vec::new());
                    }
                    // Another worker may be allowed what this one is not: all that it was offered goes back while it waits.
                    Some(403) => *slot = None,
                    // Nobody else would be answered either: it is held until the server is back.
                    _ => link.pending = Some(delivery),
                }
                Err(NoWork::Server(error))
            }
        }
    }

    async fn done(&self, receipt: Acker) {
        acknowledge(&receipt).await;
    }

    async fn rest(&self) {
        let mut slot = self.link.lock().await;
        if let Some(link) = slot.as_mut() {
            // What is not given back within the time is, when the connection ends with the worker.
            let _ = timeout(ANSWER, link.rest()).await;
        }
    }
}

impl Link {
    fn is_usable(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// The next message; nothing when none comes for a while.
    async fn next(&mut self) -> Result<Option<Delivery>, BrokerError> {
        if let Some(delivery) = self.pending.take() {
            return Ok(Some(delivery));
        }
        match timeout(WAIT, self.delivered()).await {
            Ok(Some(Ok(delivery))) => Ok(Some(delivery)),
            Ok(Some(Err(error))) => Err(BrokerError::of(error)),
            Ok(None) => Err(BrokerError::away("the broker ended the subscription")),
            Err(_) => Ok(None),
        }
    }

    async fn delivered(&mut self) -> Option<lapin::Result<Delivery>> {
        poll_fn(|context| Pin::new(&mut self.consumer).poll_next(context)).await
    }

    /// Asks for nothing more, and gives back what came and was not claimed.
    async fn rest(&mut self) {
        if let Some(delivery) = self.pending.take() {
            give_back(&delivery.acker).await;
        }
        let cancelled = self
            .channel
            .basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        if cancelled.await.is_ok() {
            while let Some(Ok(delivery)) = self.delivered().await {
                give_back(&delivery.acker).await;
            }
        }
    }
}

async fn answered<T>(answer: impl Future<Output = lapin::Result<T>>) -> Result<T, BrokerError> {
    match timeout(ANSWER, answer).await {
        Ok(answered) => answered.map_err(BrokerError::of),
        Err(_) => Err(BrokerError::away("no answer in time")),
    }
}

/// A 404 of the API itself; a proxy that knows no such path is a server that is away.
fn is_ours(error: &ClientError) -> bool {
    error.reason_code().is_some()
}

// The outcome of these three is of no matter: a message whose connection is gone is delivered again, and then there is nothing to claim.

async fn acknowledge(acker: &Acker) {
    let _ = timeout(ANSWER, acker.ack(BasicAckOptions::default())).await;
}

async fn give_back(acker: &Acker) {
    let again = BasicNackOptions {
        requeue: true,
        ..BasicNackOptions::default()
    };
    let _ = timeout(ANSWER, acker.nack(again)).await;
}

/// Nobody can do anything with it: it goes to the dead letters.
async fn dead(delivery: &Delivery) {
    let _ = timeout(ANSWER, delivery.reject(BasicRejectOptions::default())).await;
}
