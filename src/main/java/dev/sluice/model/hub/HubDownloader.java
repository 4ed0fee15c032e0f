package dev.sluice.model.hub;

import dev.sluice.model.ShardIndex;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Fetches models from a hub that speaks Hugging Face's protocol into a directory of our own.
 *
 * <pre>
 *   cache/owner--name/4f1c...9e/           complete: config.json, model.safetensors, ...
 *   cache/owner--name/4f1c...9e.partial/   under way: complete files and one .part
 *   cache/owner--name/ref-main             the commit that the revision was last time
 *   cache/owner--name/lock                 one download of a model at a time
 * </pre>
 *
 * <p>A revision is resolved to its commit first, and everything is read at that commit: a push in the middle of a
 * download cannot mix two versions. A directory gets its final name when its last file is right.
 */
public final class HubDownloader {

    private static final Logger log = LoggerFactory.getLogger(HubDownloader.class);

    private static final List<String> SMALL_FILES = List.of(
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "chat_template.jinja");

    private final HubSettings settings;
    private final HubRetry retry;
    private final Path cache;
    private final DownloadProgress progress;

    public HubDownloader(HubSettings settings, HubRetry retry, Path cache, DownloadProgress progress) {
        this.settings = settings;
        this.retry = retry;
        this.cache = cache;
        this.progress = progress;
    }

    /**
     * The directory of that model, downloaded unless it is there already.
     *
     * @param revision a branch, a tag, or a commit; a complete commit needs no network
     * @throws HubException if the hub does not give the model, or gives it wrongly
     */
    public Path download(String id, String revision) {
        HubModelId model = new HubModelId(id, revision);
        Path home = cache.resolve(model.directoryName());
        if (HubModelId.isCommit(revision) && Files.isDirectory(home.resolve(revision))) {
            return home.resolve(revision);
        }
        if (settings.token() != null && "http".equals(settings.baseUrl().getScheme())) {
            log.warn("The hub token travels unencrypted, because the hub's base URL is not https");
        }
        try (HubTransport transport = new HubTransport(settings, id)) {
            Files.createDirectories(home);
            String commit = resolve(transport, model, home);
            Path complete = home.resolve(commit);
            if (!Files.isDirectory(complete)) {
                log.info("Downloading model {} at commit {}", id, commit);
                fetchAlone(transport, id, home, commit);
            }
            Files.writeString(home.resolve(refFile(model)), commit);
            return complete;
        } catch (IOException e) {
            throw new HubException("The model " + id + " cannot be downloaded: " + reason(e), e);
        }
    }

    /** The commit of the revision; without the hub, the one that it was last time, if that is complete. */
    private String resolve(HubTransport transport, HubModelId model, Path home) throws IOException {
        try {
            return HubListing.commit(retry.run(
                    () -> transport.getJson("/api/models/" + model.id() + "/revision/" + model.revisionSegment())));
        } catch (IOException e) {
            Path ref = home.resolve(refFile(model));
            String commit = Files.exists(ref) ? Files.readString(ref) : "";
            if (!HubModelId.isCommit(commit) || !Files.isDirectory(home.resolve(commit))) {
                throw e;
            }
            log.warn("The hub cannot be reached; serving {} at commit {}, as before", model.id(), commit);
            return commit;
        }
    }

    private static String refFile(HubModelId model) {
        return "ref-" + model.revisionSegment();
    }

    private static String reason(IOException e) {
        return e.getMessage() == null ? "the hub cannot be reached." : e.getMessage();
    }

    private void fetchAlone(HubTransport transport, String id, Path home, String commit) throws IOException {
        try (FileChannel channel =
                        FileChannel.open(home.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock lock = channel.tryLock()) {
            if (lock == null) {
                throw new HubException("Another process is downloading the model " + id + " to the same place.");
            }
            if (!Files.isDirectory(home.resolve(commit))) {
                Path partial = Files.createDirectories(home.resolve(commit + ".partial"));
                fetch(transport, id, commit, partial);
                Files.move(partial, home.resolve(commit), StandardCopyOption.ATOMIC_MOVE);
            }
        } catch (OverlappingFileLockException e) {
            throw new HubException("The model " + id + " is being downloaded to the same place.", e);
        }
    }

    private void fetch(HubTransport transport, String id, String commit, Path directory) throws IOException {
        Map<String, HubFile> listed = HubListing.files(
                retry.run(() -> transport.getJson("/api/models/" + id + "/tree/" + commit + "?recursive=false")));
        String files = "/" + id + "/resolve/" + commit + "/";
        List<HubFile> wanted = new ArrayList<>();
        for (String name : SMALL_FILES) {
            if (listed.containsKey(name)) {
                wanted.add(listed.get(name));
            }
        }
        if (listed.containsKey(ShardIndex.SINGLE_FILE)) {
            wanted.add(listed.get(ShardIndex.SINGLE_FILE));
        } else if (listed.containsKey(ShardIndex.FILE)) {
            // The index says which of the many weights files of some models belong together.
            HubFile index = listed.get(ShardIndex.FILE);
            fetchAll(transport, files, List.of(index), directory, DownloadProgress.NONE);
            wanted.add(index);
            wanted.addAll(shards(listed, Files.readAllBytes(directory.resolve(ShardIndex.FILE))));
        } else {
            throw new HubException("The model " + id + " has no weights in the safetensors format.");
        }
        fetchAll(transport, files, wanted, directory, progress);
    }

    private static List<HubFile> shards(Map<String, HubFile> listed, byte[] index) {
        List<HubFile> shards = new ArrayList<>();
        for (String name : ShardIndex.read(index).shards()) {
            HubFile shard = listed.get(name);
            if (shard == null) {
                throw new HubException("The hub does not list the weights file " + name + " that the index names.");
            }
            shards.add(shard);
        }
        return shards;
    }

    private void fetchAll(
            HubTransport transport, String urlPrefix, List<HubFile> files, Path directory, DownloadProgress listener)
            throws IOException {
        long total = checkedTotal(files, directory);
        long before = 0;
        for (HubFile file : files) {
            long done = before;
            FileDownload download = new FileDownload(
                    transport,
                    urlPrefix + file.name(),
                    file,
                    directory,
                    bytes -> listener.advanced(file.name(), bytes, file.size(), done + bytes, total));
            retry.run(() -> {
                download.run();
                return file;
            });
            before += file.size();
        }
    }

    private long checkedTotal(List<HubFile> files, Path directory) throws IOException {
        long total = 0;
        long missing = 0;
        for (HubFile file : files) {
            if (file.size() > settings.modelBytesMax() - total) {
                throw new HubException("The model is larger than the " + settings.modelBytesMax() + " bytes allowed.");
            }
            total += file.size();
            missing += file.size() - present(directory, file.name()) - present(directory, file.name() + ".part");
        }
        long free = Files.getFileStore(directory).getUsableSpace();
        if (missing > free) {
            throw new HubException("The model needs " + missing + " more bytes on disk, but " + free + " are free.");
        }
        return total;
    }

    private static long present(Path directory, String name) throws IOException {
        Path path = directory.resolve(name);
        return Files.exists(path) ? Files.size(path) : 0;
    }
}
