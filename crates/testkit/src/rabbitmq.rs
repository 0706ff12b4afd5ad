//! The RabbitMQ that tests of the queue run against.

use countersign_api::queue::Broker;
use lapin::{
    BasicProperties, Channel, Connection,
    options::{
        BasicGetOptions, BasicNackOptions, BasicPublishOptions, QueueDeclareOptions,
        QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};

/// A connection to a RabbitMQ that other tests use, too: queues are told apart by their projects.
pub struct RabbitMq {
    url: String,
    connection: Connection,
}

/// Where the RabbitMQ of the tests is.
const VARIABLE: &str = "COUNTERSIGN_TEST_RABBITMQ";

impl RabbitMq {
    /// The one that `COUNTERSIGN_TEST_RABBITMQ` names; nothing, and a line that says so, where it names none.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn connect() -> Option<Self> {
        let Ok(url) = std::env::var(VARIABLE) else {
            eprintln!("skipped: {VARIABLE} names no RabbitMQ");
            return None;
        };
        Some(Self::connect_to(&url).await)
    }

    /// One that is named.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn connect_to(url: &str) -> Self {
        let broker = Broker::parse(url, false).expect("a broker on loopback");
        let connection = broker.connect("a test").await;
        Self {
            url: url.to_owned(),
            connection: connection.unwrap_or_else(|error| panic!("{broker}: {error}")),
        }
    }

    /// Where it is, with its password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many messages of a queue wait for a worker; nothing where there is no such queue.
    pub async fn waiting(&self, queue: &str) -> Option<u32> {
        let passive = QueueDeclareOptions::durable().passive();
        let channel = self.channel().await;
        let declared = channel.queue_declare(queue.into(), passive, FieldTable::default());
        declared.await.ok().map(|queue| queue.message_count())
    }

    /// The next message of a queue as the broker has it, which stays there.
    ///
    /// # Panics
    /// When there is none.
    pub async fn look(&self, queue: &str) -> (Vec<u8>, BasicProperties) {
        let channel = self.channel().await;
        let got = channel
            .basic_get(queue.into(), BasicGetOptions::default())
            .await;
        let delivery = got.expect("a queue").expect("a message").delivery;
        let again = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        delivery.acker.nack(again).await.expect("it goes back");
        (delivery.data, delivery.properties)
    }

    /// Writes a message into a queue.
    ///
    /// # Panics
    /// When it is not taken.
    pub async fn write(&self, queue: &str, message: &[u8]) {
        let options = BasicPublishOptions::default();
        let channel = self.channel().await;
        let written = channel.basic_publish(
            "".into(),
            queue.into(),
            options,
            message,
            BasicProperties::default(),
        );
        written
            .await
            .expect("it is sent")
            .await
            .expect("it is taken");
    }

    /// Loses all messages of a queue that wait.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn purge(&self, queue: &str) {
        let purged = self
            .channel()
            .await
            .queue_purge(queue.into(), QueuePurgeOptions::default())
            .await;
        purged.expect("a queue");
    }

    /// Deletes a queue.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn delete(&self, queue: &str) {
        let deleted = self
            .channel()
            .await
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await;
        deleted.expect("a queue");
    }

    async fn channel(&self) -> Channel {
        self.connection.create_channel().await.expect("a channel")
    }
}
