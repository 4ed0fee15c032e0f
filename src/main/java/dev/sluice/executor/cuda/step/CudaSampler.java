package dev.sluice.executor.cuda.step;

import dev.sluice.executor.cuda.driver.CudaStream;
import dev.sluice.executor.cuda.driver.KernelArguments;
import dev.sluice.executor.cuda.kernels.CudaKernels;
import java.lang.foreign.Arena;

/** From logits to tokens, on the device: only ids, and log-probabilities if asked for, come back. */
public final class CudaSampler {

    private static final int THREADS = 1024;

    private final CudaKernels kernels;
    private final Workspace memory;
    private final CudaStream stream;
    private final KernelArguments arguments;
    private final SampleResults results;
    private final int vocabularySize;

    public CudaSampler(
            CudaKernels kernels,
            Workspace memory,
            CudaStream stream,
            PassLimits limits,
            int vocabularySize,
            Arena host) {
        this.kernels = kernels;
        this.memory = memory;
        this.stream = stream;
        this.vocabularySize = vocabularySize;
        arguments = new KernelArguments(host);
        results = new SampleResults(limits.lines());
    }

    /**
     * Chooses a token for every sample of the batch.
     *
     * @param parameters address of what the batch has written
     */
    public void run(SampleBatch batch, long parameters, TokenHistory history) {
        SampleLayout layout = batch.layout();
        int samples = layout.samples();
        long raw = memory.logits;
        if (batch.isAdjusted()) {
            if (batch.hasLogprobs()) {
                raw = memory.raw; // log-probabilities are of what the model said
                stream.onDevice(memory.logits, raw, (long) Float.BYTES * samples * vocabularySize);
            }
            history.flush();
            adjust(layout, parameters);
        }
        long ids = memory.results + results.ids();
        if (batch.isGreedy()) {
            arguments.begin().add(ids).add(memory.logits).add(vocabularySize);
            stream.launch(kernels.sampleGreedy, samples, 1, 1, THREADS, arguments);
        } else {
            arguments.begin().add(ids).add(memory.logits).add(at(parameters, layout.temperature()));
            arguments.add(at(parameters, layout.topK())).add(at(parameters, layout.topP()));
            arguments.add(at(parameters, layout.minP())).add(at(parameters, layout.seeds()));
            arguments.add(at(parameters, layout.positions())).add(vocabularySize);
            stream.launch(kernels.sample, samples, 1, 1, THREADS, arguments);
        }
        if (batch.hasLogprobs()) {
            arguments.begin().add(memory.results + results.chosen()).add(memory.results + results.best());
            arguments.add(memory.results + results.bestIds()).add(raw).add(ids);
            arguments
                    .add(at(parameters, layout.logprobs()))
                    .add(SampleResults.PLACES)
                    .add(vocabularySize);
            stream.launch(kernels.logprobs, samples, 1, 1, THREADS, arguments);
        }
    }

    private void adjust(SampleLayout layout, long parameters) {
        arguments.begin().add(memory.logits).add(at(parameters, layout.biasStarts()));
        arguments.add(at(parameters, layout.biasIds())).add(at(parameters, layout.biasValues()));
        arguments.add(at(parameters, layout.maskStarts())).add(at(parameters, layout.maskIds()));
        arguments.add(memory.history).add(at(parameters, layout.slots()));
        arguments.add(at(parameters, layout.repetition())).add(at(parameters, layout.frequency()));
        arguments.add(at(parameters, layout.presence())).add(vocabularySize);
        stream.launch(kernels.adjustLogits, layout.samples(), 1, 1, THREADS, arguments);
    }

    private static long at(long parameters, int index) {
        return parameters + (long) Integer.BYTES * index;
    }
}
