package dev.sluice.sweep;

import dev.sluice.SluiceApplication;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;

/**
 * Does every count agree with every other? Runs a server through sizes of the host tier, prompts, outputs, shared
 * prefixes and concurrency, and compares after each cell what the clients were told, what Prometheus counts and what the
 * tiers say they have moved, to the token. Prints a table; ends with 1 at the first disagreement.
 *
 * <p>Arguments: nothing, to start servers of its own; or the base URL of an idle server that nobody else uses, with the
 * metrics on the same port. {@code --quick} runs a tenth of the requests.
 */
public final class SourceSweep {

    private static final String[] OFFLOADS = {"0B", "16MB", "256MB"};
    private static final int[] PROMPTS = {48, 384};
    private static final int[] OUTPUTS = {4, 64};
    private static final int[] SHARED_PERCENT = {0, 50, 95};
    private static final int[] CLIENTS = {1, 8};
    private static final String HEADER = String.format(
            "%8s %7s %7s %7s %8s %9s %9s %9s %9s %9s %9s %8s %9s",
            "offload",
            "prompt",
            "output",
            "shared",
            "clients",
            "requests",
            "computed",
            "device",
            "host",
            "storage",
            "preempted",
            "tokens/s",
            "TTFT ms");

    private final int scale;

    private SourceSweep(boolean quick) {
        scale = quick ? 1 : 10;
    }

    public static void main(String[] args) throws Exception {
        List<String> arguments = new ArrayList<>(List.of(args));
        SourceSweep sweep = new SourceSweep(arguments.remove("--quick"));
        try {
            if (arguments.isEmpty()) {
                sweep.ownServers();
            } else {
                sweep.cells("as it is", arguments.getFirst());
            }
        } catch (Disagreement e) {
            System.out.println("DISAGREEMENT: " + e.getMessage());
            System.exit(1);
        }
        System.out.println("All counts agree.");
        System.exit(0);
    }

    private void ownServers() throws Exception {
        System.out.println(HEADER);
        for (String offload : OFFLOADS) {
            try (ConfigurableApplicationContext server = SpringApplication.run(
                    SluiceApplication.class,
                    "--server.port=0",
                    "--management.server.port=0",
                    "--logging.level.root=warn",
                    "--sluice.kv.blocks=112",
                    "--sluice.offload.host-memory=" + offload)) {
                cells(offload, "http://localhost:" + server.getEnvironment().getProperty("local.server.port"));
            }
        }
    }

    private void cells(String offload, String url) throws Exception {
        SweepClient client = new SweepClient(url);
        client.awaitReady();
        for (int prompt : PROMPTS) {
            for (int output : OUTPUTS) {
                for (int shared : SHARED_PERCENT) {
                    for (int clients : CLIENTS) {
                        cell(offload, client, new SweepClient.Cell(prompt, output, shared, clients, requests(output)));
                    }
                }
            }
        }
    }

    private int requests(int output) {
        return Math.max(4, (output > 16 ? 3 : 6) * scale);
    }

    private static void cell(String offload, SweepClient client, SweepClient.Cell cell) throws Exception {
        Counts before = client.counts();
        SweepClient.Told told = client.run(cell);
        client.awaitIdle();
        Counts moved = client.counts().minus(before);
        System.out.printf(
                Locale.ROOT,
                "%8s %7d %7d %6d%% %8d %9d %9d %9d %9d %9d %9d %8.0f %9.1f%n",
                offload,
                cell.prompt(),
                cell.output(),
                cell.sharedPercent(),
                cell.clients(),
                cell.requests(),
                told.computed(),
                told.device(),
                told.host(),
                told.storage(),
                moved.get("preempted"),
                (told.prompt() + told.output()) / told.seconds(),
                told.medianFirstMillis());
        moved.mustAgreeWith(told);
    }
}
