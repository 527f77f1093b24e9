import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.InvalidOffsetException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Keeps Depot's items in one file, read from Kafka as CloudEvents: {@code java -cp JARS Consumer.java FOLDER}.
 *
 * <p>The file has items and offsets together. It is written whole after each batch, beside the old one, and takes its place by
 * one rename, so that a kill at any point leaves what follows from a batch together with where to go on, or neither. No offset
 * is ever committed to Kafka. What is told twice all the same is known by the item's version, and changes nothing.
 */
public final class Consumer {
    private static final int BATCH = 1000;

    /**
     * All types that this reader knows, without their major version: what it does with each is the same, since each event has the
     * whole item after the change.
     */
    private static final Set<String> KNOWN =
            Set.of(
                    "depot.item.created",
                    "depot.item.updated",
                    "depot.item.file_attached",
                    "depot.item.deleted",
                    "depot.item.snapshot");

    private static final String SNAPSHOT = "depot.item.snapshot.v1";

    private static final ObjectMapper JSON =
            new ObjectMapper()
                    .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    /** A message that this reader cannot take: reading it again would fail again. */
    private static final class NotTaken extends Exception {
        NotTaken(String reason) {
            super(reason);
        }
    }

    /** What a person has to mend. */
    private static final class Failure extends RuntimeException {
        Failure(String message) {
            super(message);
        }
    }

    /**
     * The change that a message tells of. Epoch and version are compared as a pair: the epoch rises when Depot's database was set
     * back to an earlier point, and wins over any version.
     */
    private record Change(String itemId, long epoch, long version, boolean isSnapshot, JsonNode item) {
        boolean isNewerThan(Kept kept) {
            return epoch > kept.epoch || (epoch == kept.epoch && version > kept.version);
        }
    }

    /**
     * An item as it is kept. A deleted one stays, as the version from which on nothing older is taken. {@code changes} is how many
     * changes were heard of it: of a repeat that was counted, or a change that was missed, it would tell.
     */
    private record Kept(long epoch, long version, long changes, JsonNode item) {}

    /** A message that was not taken, whole: for a person, or for the next version of this reader. */
    private record SetAside(
            int partition, long offset, String reason, byte[] key, Map<String, byte[]> headers, byte[] value) {}

    private record State(
            Map<Integer, Long> offsets,
            Map<String, Kept> items,
            @JsonProperty("set_aside") List<SetAside> setAside) {

        static State empty() {
            return new State(new TreeMap<>(), new TreeMap<>(), new ArrayList<>());
        }

        /** Does nothing for a repeat, or for what is older than what is here. A snapshot is a start, and no change. */
        void apply(Change change) {
            Kept kept = items.get(change.itemId);
            if (kept != null && !change.isNewerThan(kept)) {
                return;
            }
            long before = kept == null ? 0 : kept.changes;
            long changes = before + (change.isSnapshot ? 0 : 1);
            items.put(change.itemId, new Kept(change.epoch, change.version, changes, change.item));
        }
    }

    /** The state as a file, which one process at a time has. */
    private static final class Store {
        private final Path folder;
        private final Path file;
        // The lock lasts as long as the channel is open; the system gives it back when the process ends, however it does.
        private final FileChannel lock;

        Store(Path folder) throws IOException {
            this.folder = folder;
            this.file = folder.resolve("state.json");
            Files.createDirectories(folder);
            lock = FileChannel.open(folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            if (lock.tryLock() == null) {
                throw new Failure("another process has the store " + folder);
            }
        }

        State load() throws IOException {
            return Files.exists(file) ? JSON.readValue(file.toFile(), new TypeReference<State>() {}) : State.empty();
        }

        /** On disk when it returns: the new file first, then its name, then the folder that has the name. */
        void save(State state) throws IOException {
            Path next = folder.resolve("state.json.new");
            ByteBuffer bytes = ByteBuffer.wrap(JSON.writeValueAsBytes(state));
            try (FileChannel channel =
                    FileChannel.open(
                            next,
                            StandardOpenOption.CREATE,
                            StandardOpenOption.TRUNCATE_EXISTING,
                            StandardOpenOption.WRITE)) {
                while (bytes.hasRemaining()) {
                    channel.write(bytes);
                }
                channel.force(true);
            }
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
            try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
                channel.force(true);
            }
        }
    }

    /**
     * The change that a message tells of, by its headers (CloudEvents' binary mode); null for what is none of ours. Headers and
     * members that are not named here are passed over.
     */
    private static Change decode(ConsumerRecord<byte[], byte[]> message) throws NotTaken {
        String specVersion = header(message, "ce_specversion");
        if (!specVersion.equals("1.0")) {
            throw new NotTaken("it is a CloudEvent of version " + specVersion);
        }
        String type = header(message, "ce_type");
        int dot = type.lastIndexOf(".v");
        // A type that came later tells of what this reader has no use for. Another version of a known one tells of what it keeps.
        if (dot < 0 || !KNOWN.contains(type.substring(0, dot))) {
            return null;
        }
        if (!type.substring(dot).equals(".v1")) {
            throw new NotTaken(type + " is a version that is not known here");
        }
        String itemId = header(message, "ce_subject");
        long version = number("ce_aggregateversion", header(message, "ce_aggregateversion"));
        boolean hasEpoch = message.headers().lastHeader("ce_restoreepoch") != null;
        long epoch = number("ce_restoreepoch", hasEpoch ? header(message, "ce_restoreepoch") : "0");
        if (!Arrays.equals(message.key(), itemId.getBytes(StandardCharsets.UTF_8))) {
            throw new NotTaken("its key is not its subject, " + itemId);
        }
        JsonNode item = itemOf(message.value());
        if (!item.path("id").asText().equals(itemId) || item.path("version").asLong(-1) != version) {
            throw new NotTaken("its value is of another item or version than its headers say");
        }
        return new Change(itemId, epoch, version, type.equals(SNAPSHOT), item);
    }

    private static JsonNode itemOf(byte[] value) throws NotTaken {
        try {
            JsonNode item = JSON.readTree(value == null ? new byte[0] : value).path("item");
            if (item.isObject()) {
                return item;
            }
            throw new NotTaken("its value has no item");
        } catch (JsonProcessingException error) {
            throw new NotTaken("its value is no JSON: " + error.getOriginalMessage());
        } catch (IOException error) {
            throw new NotTaken("its value cannot be read: " + error.getMessage());
        }
    }

    private static String header(ConsumerRecord<byte[], byte[]> message, String name) throws NotTaken {
        Header header = message.headers().lastHeader(name);
        if (header == null || header.value() == null) {
            throw new NotTaken("there is no header " + name);
        }
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(header.value())).toString();
        } catch (CharacterCodingException error) {
            throw new NotTaken("the header " + name + " is no UTF-8");
        }
    }

    private static long number(String name, String text) throws NotTaken {
        if (!text.matches("[0-9]{1,18}")) {
            throw new NotTaken("the header " + name + " is " + text);
        }
        return Long.parseLong(text);
    }

    private static SetAside setAside(ConsumerRecord<byte[], byte[]> message, String reason) {
        System.err.printf("set aside %s %d %d: %s%n", message.topic(), message.partition(), message.offset(), reason);
        Map<String, byte[]> headers = new TreeMap<>();
        message.headers().forEach(header -> headers.put(header.key(), header.value()));
        return new SetAside(message.partition(), message.offset(), reason, message.key(), headers, message.value());
    }

    private static void follow(Store store, String brokers, String topic) throws IOException {
        Map<String, Object> settings =
                Map.of(
                        ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers,
                        ConsumerConfig.KEY_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class,
                        ConsumerConfig.VALUE_DESERIALIZER_CLASS_CONFIG, ByteArrayDeserializer.class,
                        ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false,
                        // A place that is not in the log any more is an error: to begin anew in silence would leave changes out.
                        ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none",
                        ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false,
                        ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
                        ConsumerConfig.MAX_POLL_RECORDS_CONFIG, BATCH);
        State state = store.load();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(topic).stream()
                            .map(info -> new TopicPartition(topic, info.partition()))
                            .toList();
            if (partitions.isEmpty()) {
                throw new Failure(topic + " is not there");
            }
            consumer.assign(partitions);
            Map<TopicPartition, Long> first = consumer.beginningOffsets(partitions);
            for (TopicPartition partition : partitions) {
                long next = state.offsets.computeIfAbsent(partition.partition(), any -> first.get(partition));
                consumer.seek(partition, next);
            }
            store.save(state);
            while (true) {
                step(consumer, store, state);
            }
        } catch (InvalidOffsetException error) {
            throw new Failure(
                    "the log does not have the place where this store goes on (" + error.getMessage() + "): if the log was "
                            + "lost, begin with an empty store, which snapshots will fill");
        }
    }

    /** Takes what has come, as one write. Where that fails the process ends, and what was taken in memory with it. */
    private static void step(KafkaConsumer<byte[], byte[]> consumer, Store store, State state) throws IOException {
        var messages = consumer.poll(Duration.ofSeconds(1));
        if (messages.isEmpty()) {
            return;
        }
        for (ConsumerRecord<byte[], byte[]> message : messages) {
            try {
                Change change = decode(message);
                if (change != null) {
                    state.apply(change);
                }
            } catch (NotTaken error) {
                state.setAside.add(setAside(message, error.getMessage()));
            }
            // By its own place: markers of transactions leave gaps.
            state.offsets.put(message.partition(), message.offset() + 1);
        }
        store.save(state);
    }

    private static String environment(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null ? otherwise : value;
    }

    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 1) {
            System.err.println("error: usage: Consumer FOLDER");
            System.exit(2);
        }
        try {
            String topic = environment("TOPIC_PREFIX", "depot") + ".items.v1";
            follow(new Store(Path.of(arguments[0])), environment("KAFKA_BROKERS", "localhost:19092"), topic);
        } catch (Failure failure) {
            System.err.println("error: " + failure.getMessage());
            System.exit(1);
        } catch (KafkaException error) {
            System.err.println("error: Kafka: " + error.getMessage());
            System.exit(1);
        }
    }
}
