//! Tells RabbitMQ which executions wait.
//!
//! The database is the source of truth, the broker a pipe: a message that is lost is written again, and one that comes twice finds
//! its execution claimed. What counts as told is what the broker confirmed to have on disk.

use std::{collections::BTreeMap, time::Duration};

use countersign_api::queue::{self, Broker, BrokerError};
use countersign_authority::housekeeping::ToPublish;
use countersign_model::{Id, id};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

/// What became of telling the broker of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has the message on disk.
    Confirmed,
    /// It did not take the message.
    Refused,
    /// There was no queue for it any more.
    Returned,
    /// It has messages of this project that no worker took yet: another one would only make the queue longer.
    Waiting,
}

impl Outcome {
    /// The word in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Refused => "refused",
            Self::Returned => "returned",
            Self::Waiting => "waiting",
        }
    }
}

/// Writes to a broker, over one connection that is made when it is needed.
pub struct Publisher {
    broker: Broker,
    link: Mutex<Option<Link>>,
}

struct Link {
    connection: Connection,
    channel: Channel,
}

impl Publisher {
    /// Writes to this broker.
    #[must_use]
    pub fn new(broker: Broker) -> Self {
        Self {
            broker,
            link: Mutex::new(None),
        }
    }

    /// The broker.
    #[must_use]
    pub const fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Tells it of executions: what became of those that it answered for, and why it did not answer for all.
    pub async fn tell(
        &self,
        executions: &[ToPublish],
    ) -> (Vec<(ToPublish, Outcome)>, Option<BrokerError>) {
        let mut told = Vec::with_capacity(executions.len());
        let mut slot = self.link.lock().await;
        let telling = async {
            let mut link = match slot.take() {
                Some(link) if link.is_usable() => link,
                Some(_) | None => Link::open(&self.broker).await?,
            };
            link.tell(executions, &mut told).await?;
            *slot = Some(link);
            Ok(())
        };
        let failure = match timeout(PATIENCE, telling).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(BrokerError::away("it does not confirm in time")),
        };
        (told, failure)
    }
}

impl Link {
    async fn open(broker: &Broker) -> Result<Self, BrokerError> {
        let connection = broker.connect("countersign server").await?;
        let channel = confirming(&connection).await?;
        Ok(Self {
            connection,
            channel,
        })
    }

    fn is_usable(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    async fn tell(
        &mut self,
        executions: &[ToPublish],
        told: &mut Vec<(ToPublish, Outcome)>,
    ) -> Result<(), BrokerError> {
        let mut projects: BTreeMap<Id<id::Project>, Vec<ToPublish>> = BTreeMap::new();
        for execution in executions {
            let project = projects.entry(execution.project_id).or_default();
            project.push(*execution);
        }
        for (project, executions) in projects {
            let declaring = timeout(PROJECT_PATIENCE, self.declare(project)).await;
            let waiting = match declaring {
                Ok(Ok(waiting)) => waiting,
                Ok(Err(error)) if !self.connection.status().connected() => {
                    return Err(BrokerError::of(error));
                }
                refused => {
                    // One project's queue stands in nobody else's way; the channel that it was asked for on is closed, or waits.
                    let why = match refused {
                        Ok(Err(error)) => error.to_string(),
                        Ok(Ok(_)) | Err(_) => "no answer in time".to_owned(),
                    };
                    tracing::warn!(error = %why, "RabbitMQ has no queue for project {project}: {why}");
                    told.extend(executions.iter().map(|one| (*one, Outcome::Refused)));
                    self.channel = confirming(&self.connection).await?;
                    continue;
                }
            };
            let mut asked = Vec::with_capacity(executions.len());
            for execution in executions {
                if execution.published && waiting > 0 {
                    told.push((execution, Outcome::Waiting));
                } else {
                    asked.push((execution, self.publish(execution).await?));
                }
            }
            self.confirmed(asked, told).await?;
        }
        Ok(())
    }

    /// Waits for the confirmations of one project. What is not confirmed in time may come through nevertheless: it is told again.
    async fn confirmed(
        &mut self,
        asked: Vec<(ToPublish, PublisherConfirm)>,
        told: &mut Vec<(ToPublish, Outcome)>,
    ) -> Result<(), BrokerError> {
        let until = Instant::now() + PROJECT_PATIENCE;
        let mut is_late = false;
        for (execution, confirm) in asked {
            let outcome = match timeout_at(until, confirm).await {
                // A message that had nowhere to go is returned, and acknowledged.
                Ok(Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)))) => {
                    Outcome::Returned
                }
                Ok(Ok(Confirmation::Ack(None))) => Outcome::Confirmed,
                Ok(Ok(Confirmation::Nack(None) | Confirmation::NotRequested)) => Outcome::Refused,
                Ok(Err(error)) => return Err(BrokerError::of(error)),
                Err(_) => {
                    is_late = true;
                    Outcome::Refused
                }
            };
            told.push((execution, outcome));
        }
        if is_late {
            // What still comes on this channel is nobody's any more.
            self.channel = confirming(&self.connection).await?;
        }
        Ok(())
    }

    /// Makes a project's queues when they are not there. Answers how many messages wait for a worker.
    async fn declare(&self, project: Id<id::Project>) -> lapin::Result<u32> {
        let (queue, dead) = (
            queue::executions_of(project),
            queue::dead_letters_of(project),
        );
        let durable = QueueDeclareOptions::durable();
        let letters = classic([
            ("x-max-length", AMQPValue::LongLongInt(MOST_DEAD_LETTERS)),
            ("x-overflow", AMQPValue::LongString("drop-head".into())),
            ("x-expires", AMQPValue::LongLongInt(UNUSED_MS)),
        ]);
        self.channel
            .queue_declare(dead.as_str().into(), durable, letters)
            .await?;
        let executions = classic([
            ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
            (
                "x-dead-letter-routing-key",
                AMQPValue::LongString(dead.into()),
            ),
            ("x-max-length", AMQPValue::LongLongInt(MOST_MESSAGES)),
            ("x-overflow", AMQPValue::LongString("reject-publish".into())),
            ("x-expires", AMQPValue::LongLongInt(UNUSED_MS)),
        ]);
        let declared = self
            .channel
            .queue_declare(queue.into(), durable, executions)
            .await?;
        Ok(declared.message_count())
    }

    async fn publish(&self, execution: ToPublish) -> Result<PublisherConfirm, BrokerError> {
        let queue = queue::executions_of(execution.project_id);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_delivery_mode(PERSISTENT);
        let message = queue::message(execution.id);
        self.channel
            .basic_publish(
                "".into(),
                queue.into(),
                options,
                message.as_bytes(),
                properties,
            )
            .await
            .map_err(BrokerError::of)
    }
}

async fn confirming(connection: &Connection) -> Result<Channel, BrokerError> {
    let open = async {
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(channel)
    };
    open.await.map_err(BrokerError::of)
}

/// The arguments of a queue. They stand for ever: RabbitMQ refuses others for a queue of the same name, so that a change of them
/// comes with a new name.
fn classic<const N: usize>(further: [(&str, AMQPValue); N]) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("classic".into()),
    );
    for (name, value) in further {
        arguments.insert(ShortString::from(name), value);
    }
    arguments
}

/// As long as a step may take: more than the queues of two projects that do not answer.
const PATIENCE: Duration = Duration::from_secs(45);

/// As long as one project's queue may take to be there, and to confirm what it was told.
const PROJECT_PATIENCE: Duration = Duration::from_secs(10);

/// AMQP 0-9-1: kept on disk.
const PERSISTENT: u8 = 2;

/// As many as a project has waiting: some megabytes. What is more waits in the database.
const MOST_MESSAGES: i64 = 100_000;

/// As many as a person looks at; the oldest go first.
const MOST_DEAD_LETTERS: i64 = 10_000;

/// A week: the queues of a project that nobody uses go by themselves.
const UNUSED_MS: i64 = 7 * 24 * 60 * 60 * 1000;
