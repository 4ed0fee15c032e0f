package dev.sluice.model.hub;

import static dev.sluice.model.hub.FakeHub.COMMIT;
import static dev.sluice.model.hub.FakeHub.MODEL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.model.Model;
import dev.sluice.model.ModelDirectory;
import dev.sluice.testkit.ModelFixtures;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HubDownloaderTest {

    private static final String WEIGHTS = "model.safetensors";
    private static final String RESOLVE = "/" + MODEL + "/resolve/" + COMMIT + "/";

    @TempDir
    private Path cache;

    private final FakeHub hub = new FakeHub();
    private final List<String> progress = new ArrayList<>();
    private Duration silenceMax = Duration.ofSeconds(20);
    private long modelBytesMax = 1 << 20;
    private int attempts = 1;

    @BeforeEach
    void publishAModel() throws IOException {
        Path tiny = ModelFixtures.tiny("qwen2");
        hub.files.put("README.md", "no".getBytes(StandardCharsets.UTF_8));
        hub.files.put("config.json", Files.readAllBytes(tiny.resolve("config.json")));
        hub.files.put("tokenizer.json", "{}".getBytes(StandardCharsets.UTF_8));
        hub.files.put("chat_template.jinja", new byte[0]);
        hub.files.put(WEIGHTS, Files.readAllBytes(tiny.resolve(WEIGHTS)));
        hub.files.put("pytorch_model.bin", new byte[10]);
        hub.large.add(WEIGHTS);
    }

    @AfterEach
    void stopTheHub() {
        hub.close();
    }

    @Test
    void downloadedModelOpensAndHoldsOnlyWhatIsNeeded() throws IOException {
        Path directory = download("main", null);

        assertThat(directory).isEqualTo(cache.resolve("someone--tiny").resolve(COMMIT));
        assertThat(names(directory)).containsExactly("chat_template.jinja", "config.json", WEIGHTS, "tokenizer.json");
        try (Model model = ModelDirectory.open(directory, false)) {
            assertThat(model.spec().family()).isEqualTo("qwen2");
        }
        assertThat(progress)
                .last()
                .asString()
                .endsWith(hub.content(WEIGHTS).length + "/" + hub.content(WEIGHTS).length);
    }

    @Test
    void modelBytesOfTheProgressGrowToTheTotal() {
        List<Long> done = new ArrayList<>();
        List<Long> totals = new ArrayList<>();
        downloader(null, (file, bytes, size, modelBytes, modelTotal) -> {
                    done.add(modelBytes);
                    totals.add(modelTotal);
                })
                .download(MODEL, "main");
        assertThat(done).isSorted();
        assertThat(totals).containsOnly(done.getLast());
    }

    @Test
    void completeCommitNeedsNoNetworkAndBranchOnlyOneQuestion() {
        Path directory = download("main", null);
        hub.seen.clear();
        assertThat(download(COMMIT, null)).isEqualTo(directory);
        assertThat(hub.seen).isEmpty();
        assertThat(download("main", null)).isEqualTo(directory);
        assertThat(hub.paths()).containsExactly("/api/models/" + MODEL + "/revision/main");
    }

    @Test
    void everythingIsReadAtTheCommitThatTheBranchHadAtFirst() {
        download("main", null);
        assertThat(hub.paths()).first().isEqualTo("/api/models/" + MODEL + "/revision/main");
        assertThat(hub.paths().subList(1, hub.paths().size())).allMatch(path -> path.contains(COMMIT));
    }

    @Test
    void unreachableHubLeavesTheLastCompleteCommit() {
        Path directory = download("main", null);
        hub.statuses.put("/api/models/" + MODEL + "/revision/main", 503);
        assertThat(download("main", null)).isEqualTo(directory);
    }

    @Test
    void unreachableHubWithoutACompleteCommitIsOneSentence() {
        hub.statuses.put("/api/models/" + MODEL + "/revision/main", 503);
        assertRefused("The model someone/tiny cannot be downloaded: The hub answered with status 503.");
        hub.close();
        assertRefused("The model someone/tiny cannot be downloaded: ");
    }

    @Test
    void cutTransferContinuesWhereItStopped() throws IOException {
        attempts = 3;
        hub.cuts.put(WEIGHTS, new ArrayList<>(List.of(50_000, 30_000)));

        Path directory = download("main", null);

        assertThat(Files.readAllBytes(directory.resolve(WEIGHTS))).isEqualTo(hub.content(WEIGHTS));
        List<Integer> starts = hub.seen.stream()
                .filter(request -> request.atContentNetwork())
                .map(request -> request.range() == null
                        ? 0
                        : Integer.parseInt(request.range().replaceAll("[^0-9]", "")))
                .toList();
        assertThat(starts).hasSize(3).first().isEqualTo(0);
        assertThat(starts.get(1)).isPositive().isLessThanOrEqualTo(50_000);
        assertThat(starts.get(2)).isGreaterThanOrEqualTo(starts.get(1)).isLessThanOrEqualTo(80_000);
    }

    @Test
    void nextProcessContinuesWhatThisOneLeft() throws IOException {
        hub.cuts.put(WEIGHTS, new ArrayList<>(List.of(50_000)));
        assertRefused("cannot be downloaded");
        Path partial = cache.resolve("someone--tiny").resolve(COMMIT + ".partial");
        assertThat(names(partial)).contains("config.json", WEIGHTS + ".part").doesNotContain(WEIGHTS);
        hub.seen.clear();

        Path directory = download("main", null);

        assertThat(hub.paths()).doesNotContain(RESOLVE + "config.json");
        assertThat(hub.seen)
                .filteredOn(FakeHub.Seen::atContentNetwork)
                .hasSize(1)
                .allSatisfy(request -> assertThat(request.range()).startsWith("bytes="));
        assertThat(Files.readAllBytes(directory.resolve(WEIGHTS))).isEqualTo(hub.content(WEIGHTS));
        assertThat(partial).doesNotExist();
    }

    @Test
    void serverThatCannotContinueSendsTheWholeFileAgain() throws IOException {
        attempts = 2;
        hub.ignoresRanges = true;
        hub.cuts.put(WEIGHTS, new ArrayList<>(List.of(50_000)));
        Path directory = download("main", null);
        assertThat(Files.readAllBytes(directory.resolve(WEIGHTS))).isEqualTo(hub.content(WEIGHTS));
    }

    @Test
    void continuationAtAnotherPlaceStartsOver() throws IOException {
        attempts = 3;
        hub.shiftsRanges = true;
        hub.cuts.put(WEIGHTS, new ArrayList<>(List.of(50_000)));
        Path directory = download("main", null);
        assertThat(Files.readAllBytes(directory.resolve(WEIGHTS))).isEqualTo(hub.content(WEIGHTS));
    }

    @Test
    void staleLeftoverIsFoundByTheChecksumAndFetchedAnew() throws IOException {
        attempts = 2;
        Path partial = Files.createDirectories(cache.resolve("someone--tiny").resolve(COMMIT + ".partial"));
        Files.write(partial.resolve(WEIGHTS + ".part"), new byte[1_000]);
        Files.write(partial.resolve("config.json.part"), new byte[100_000]);
        Path directory = download("main", null);
        assertThat(Files.readAllBytes(directory.resolve(WEIGHTS))).isEqualTo(hub.content(WEIGHTS));
    }

    @ParameterizedTest
    @ValueSource(strings = {WEIGHTS, "config.json"})
    void wrongChecksumDeletesTheFileAndIsAnError(String file) throws IOException {
        attempts = 3;
        byte[] lie = hub.content(file).clone();
        lie[lie.length / 2] ^= 1;
        hub.lies.put(file, lie);

        assertRefused("The downloaded file " + file + " has a wrong checksum and was deleted.");

        Path home = cache.resolve("someone--tiny");
        assertThat(home.resolve(COMMIT)).doesNotExist();
        assertThat(names(home.resolve(COMMIT + ".partial"))).doesNotContain(file, file + ".part");
        assertThat(hub.paths().stream().filter(path -> path.equals(RESOLVE + file)))
                .as("a lie is not asked for again")
                .hasSizeLessThanOrEqualTo(2);
    }

    @Test
    void fileThatIsLongerThanListedIsRefused() {
        hub.lies.put(WEIGHTS, Arrays.copyOf(hub.content(WEIGHTS), 300_000));
        assertRefused("The hub sends more of model.safetensors than its ");
    }

    @Test
    void hubThatFallsSilentIsGivenUp() {
        silenceMax = Duration.ofMillis(300);
        hub.fallsSilent = true;
        hub.cuts.put(WEIGHTS, new ArrayList<>(List.of(50_000)));
        assertRefused("fell silent");
    }

    @Test
    void tokenGoesToTheHubAndNotToTheContentNetwork() {
        download("main", "hf_secret");
        assertThat(hub.seen)
                .filteredOn(FakeHub.Seen::atContentNetwork)
                .isNotEmpty()
                .allSatisfy(request -> assertThat(request.authorization()).isNull());
        assertThat(hub.seen)
                .filteredOn(request -> !request.atContentNetwork())
                .allSatisfy(request -> assertThat(request.authorization()).isEqualTo("Bearer hf_secret"));
    }

    @Test
    void tokenIsNotInTheText() {
        assertThat(new HubSettings(hub.url(), "hf_secret", silenceMax, 1).toString())
                .doesNotContain("secret");
    }

    @ParameterizedTest
    @CsvSource({
        "http://a/x,http://a:80/y,true",
        "https://A/x,https://a:443/y,true",
        "http://a/x,https://a/x,false",
        "http://a/x,http://a:81/x,false",
        "http://a/x,http://b/x,false",
        "https://hub.co/x,https://cdn.hub.co/x,false",
    })
    void tokenNeedsTheSameSchemeHostAndPort(String a, String b, boolean same) {
        assertThat(HubTransport.sameOrigin(URI.create(a), URI.create(b))).isEqualTo(same);
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:///etc/passwd", "ftp://x/y", "http://%%%", "jar:file:/x!/y"})
    void redirectToAnythingElseIsRefused(String target) {
        hub.redirectTo = target;
        assertRefused("The hub redirects");
    }

    @Test
    void redirectInACircleEnds() {
        hub.redirectTo = hub.url() + RESOLVE + WEIGHTS;
        assertRefused("The hub redirects more than 8 times.");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "401 | | it is gated, private or absent, and no token is configured.",
                "403 | hf_x | it is gated, private or absent, and the configured token may not read it.",
                "404 | | The hub has no model someone/tiny",
                "418 | | unexpected status 418",
            })
    void refusalIsOneSentence(int status, @Nullable String token, String sentence) {
        attempts = 3;
        hub.statuses.put("/api/models/" + MODEL + "/revision/main", status);
        assertThatThrownBy(() -> download("main", token))
                .isInstanceOf(HubException.class)
                .hasMessageContaining(sentence);
        assertThat(hub.seen).as("waiting does not cure it").hasSize(1);
    }

    @Test
    void shardsOfTheIndexAreFetchedAndNoOtherWeights() throws IOException {
        byte[] index = "{\"weight_map\":{\"a\":\"w-1.safetensors\",\"b\":\"w-2.safetensors\"}}"
                .getBytes(StandardCharsets.UTF_8);
        hub.files.remove(WEIGHTS);
        hub.files.put("model.safetensors.index.json", index);
        hub.files.put("w-1.safetensors", new byte[] {1});
        hub.files.put("w-2.safetensors", new byte[] {2});
        hub.files.put("consolidated.safetensors", new byte[] {3});
        assertThat(names(download("main", null)))
                .contains("w-1.safetensors", "w-2.safetensors", "model.safetensors.index.json")
                .doesNotContain("consolidated.safetensors");
    }

    @Test
    void shardThatTheHubDoesNotListIsNamed() {
        hub.files.remove(WEIGHTS);
        hub.files.put(
                "model.safetensors.index.json",
                "{\"weight_map\":{\"a\":\"w-1.safetensors\"}}".getBytes(StandardCharsets.UTF_8));
        assertRefused("The hub does not list the weights file w-1.safetensors that the index names.");
    }

    @Test
    void modelWithoutSafetensorsIsRefused() {
        hub.files.remove(WEIGHTS);
        assertRefused("has no weights in the safetensors format");
    }

    @Test
    void modelAboveTheLimitIsRefusedBeforeItsFirstByte() {
        modelBytesMax = 100_000;
        assertRefused("The model is larger than the 100000 bytes allowed.");
        assertThat(hub.paths()).noneMatch(path -> path.startsWith(RESOLVE));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"file\",\"path\":\"config.json\",\"size\":-1,\"oid\":\"0123456789012345678901234567890123456789\"}",
                "{\"type\":\"file\",\"path\":\"config.json\",\"size\":\"9\",\"oid\":\"0123456789012345678901234567890123456789\"}",
                "{\"type\":\"file\",\"path\":\"config.json\",\"size\":9,\"oid\":\"short\"}",
                "{\"type\":\"file\",\"path\":\"config.json\",\"size\":9,\"lfs\":{\"oid\":\"short\"}}",
            })
    void fileListedWithoutSizeOrChecksumIsRefused(String entry) {
        hub.listExtra = "," + entry;
        assertRefused("The hub lists config.json without a size or a checksum.");
    }

    @Test
    void explicitNullInPlaceOfALargeFileRecordIsASmallFile() throws IOException {
        hub.files.remove("tokenizer.json");
        hub.listExtra = ",{\"type\":\"file\",\"path\":\"tokenizer.json\",\"size\":0,\"lfs\":null,"
                + "\"oid\":\"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\"}";
        hub.lies.put("tokenizer.json", new byte[0]);
        assertThat(names(download("main", null))).contains("tokenizer.json");
    }

    @Test
    void listedNamesThatArePathsAreNotWritten() throws IOException {
        hub.listExtra = ",{\"type\":\"file\",\"path\":\"../evil.safetensors\",\"size\":1,\"oid\":\"x\"}";
        download("main", null);
        assertThat(names(cache)).containsExactly("someone--tiny");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "..", "a/..", "../a", "a/b/c", "/a", "a b/c", "a%2fb", "a/b?x", ".a/b"})
    void idThatIsNotAnIdIsRefused(String id) {
        assertThatThrownBy(() -> downloader(null, DownloadProgress.NONE).download(id, "main"))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("The model id must");
        assertThat(hub.seen).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "..", "a/../b", "/a", "a?b", "a b", "a//b"})
    void revisionThatIsNotARevisionIsRefused(String revision) {
        assertThatThrownBy(() -> download(revision, null))
                .isInstanceOf(HubException.class)
                .hasMessageContaining("The model revision must");
        assertThat(hub.seen).isEmpty();
    }

    @Test
    void revisionWithASlashIsOneSegment() {
        assertThatThrownBy(() -> download("refs/pr/1", null)).isInstanceOf(HubException.class);
        assertThat(hub.paths()).containsExactly("/api/models/" + MODEL + "/revision/refs%2Fpr%2F1");
    }

    @Test
    void baseUrlMayHaveAPath() {
        HubSettings settings = new HubSettings(URI.create("https://mirror.example/hf/"), null, silenceMax, 1);
        assertThat(settings.resolve("/api/x")).hasToString("https://mirror.example/hf/api/x");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ftp://x", "x", "https://user:pw@x", "https://x?y", "https://x#y", "file:///x"})
    void baseUrlOfAnotherKindIsRefused(String url) {
        assertThatThrownBy(() -> new HubSettings(URI.create(url), null, silenceMax, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("The hub's base URL must");
    }

    private Path download(String revision, @Nullable String token) {
        return downloader(
                        token,
                        (file, bytes, size, modelBytes, modelTotal) -> progress.add(file + " " + bytes + "/" + size))
                .download(MODEL, revision);
    }

    private HubDownloader downloader(@Nullable String token, DownloadProgress listener) {
        HubSettings settings = new HubSettings(hub.url(), token, silenceMax, modelBytesMax);
        return new HubDownloader(settings, HubRetry.times(attempts), cache, listener);
    }

    private void assertRefused(String sentence) {
        assertThatThrownBy(() -> download("main", null))
                .isInstanceOf(HubException.class)
                .hasMessageContaining(sentence);
    }

    private static List<String> names(Path directory) throws IOException {
        try (var files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }
}
