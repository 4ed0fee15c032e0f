package dev.sluice.engine;

import dev.sluice.executor.ModelExecutor;
import dev.sluice.model.Model;
import dev.sluice.runtime.Threads;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Opens the model, makes the executor and tries it, on a thread of its own. None of this needs a bean, so it begins before
 * Spring looks for any: half of the time to the first answer is saved.
 */
public final class EngineLoader {

    private final CompletableFuture<Model> model = new CompletableFuture<>();
    private final CompletableFuture<ModelExecutor> executor = new CompletableFuture<>();

    /** Begins to load. What the two functions throw is thrown again by {@link #model} and {@link #executor}. */
    public static EngineLoader start(Supplier<Model> open, Function<Model, ModelExecutor> execute) {
        EngineLoader loader = new EngineLoader();
        Threads.named("sluice-loader", () -> loader.load(open, execute)).start();
        return loader;
    }

    private EngineLoader() {}

    private void load(Supplier<Model> open, Function<Model, ModelExecutor> execute) {
        try {
            Model opened = open.get();
            model.complete(opened);
            ModelExecutor made = execute.apply(opened);
            WarmUp.run(made);
            executor.complete(made);
        } catch (RuntimeException | Error e) { // nobody else would end the start
            model.completeExceptionally(e);
            executor.completeExceptionally(e);
        }
    }

    /** Waits for the model. */
    public Model model() {
        return await(model);
    }

    /** Waits for the executor, which has shown then that it can generate. */
    public ModelExecutor executor() {
        return await(executor);
    }

    private static <T> T await(CompletableFuture<T> part) {
        try {
            return part.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }
}
