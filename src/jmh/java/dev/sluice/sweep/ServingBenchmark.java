package dev.sluice.sweep;

import dev.sluice.sweep.SweepClient.Cell;
import dev.sluice.sweep.SweepClient.Told;

/** Tokens a second of a running server under many clients. Arguments: url, clients, prompt, output, requests. */
public final class ServingBenchmark {

    private ServingBenchmark() {}

    public static void main(String[] args) throws Exception {
        SweepClient client = new SweepClient(args[0]);
        client.awaitReady();
        int clients = Integer.parseInt(args[1]);
        int prompt = Integer.parseInt(args[2]);
        int output = Integer.parseInt(args[3]);
        client.run(new Cell(prompt, output, 0, clients, clients)); // graphs are recorded, code is compiled
        Told told = client.run(new Cell(prompt, output, 0, clients, Integer.parseInt(args[4])));
        System.out.printf(
                "%d requests of %d clients in %.1f s: %.0f prompt and %.0f output tokens/s, first token after %.0f ms%n",
                told.requests(),
                clients,
                told.seconds(),
                told.prompt() / told.seconds(),
                told.output() / told.seconds(),
                told.medianFirstMillis());
        System.exit(0);
    }
}
