package dev.sluice.it;

import dev.sluice.SluiceApplication;
import dev.sluice.executor.ExecutorException;
import dev.sluice.executor.ExecutorException.Scope;
import dev.sluice.executor.ExecutorSpec;
import dev.sluice.executor.ModelExecutor;
import dev.sluice.executor.PendingStep;
import dev.sluice.executor.StepPlan;
import dev.sluice.kv.FinishedTransfer;
import dev.sluice.kv.HostPages;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.SpringApplication;

/**
 * The application with an executor that meets its doom in the step in which a request with the seed 666 gets its tenth
 * token. Which doom it is, says the system property {@code doom}.
 */
final class FailingServer {

    private static final long SEED = 666;

    private FailingServer() {}

    public static void main(String[] arguments) {
        SpringApplication application = new SpringApplication(SluiceApplication.class);
        application.addInitializers(context -> context.getBeanFactory().addBeanPostProcessor(new BeanPostProcessor() {
            @Override
            public Object postProcessAfterInitialization(Object bean, String name) {
                return bean instanceof ModelExecutor executor ? new Failing(executor) : bean;
            }
        }));
        application.run(arguments);
    }

    private record Failing(ModelExecutor executor) implements ModelExecutor {

        @Override
        public PendingStep submit(StepPlan plan) {
            for (int i = 0; i < plan.size(); i++) {
                if (plan.get(i).sampling.seed() == SEED && plan.get(i).outputCount() == 9) {
                    meetDoom();
                }
            }
            return executor.submit(plan);
        }

        private static void meetDoom() {
            switch (System.getProperty("fail")) {
                case "device" -> throw new ExecutorException(Scope.DEVICE, "the device is gone");
                case "error" -> throw new AssertionError("cannot be");
                default -> hang();
            }
        }

        private static void hang() {
            try {
                new CountDownLatch(1).await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        @Override
        public ExecutorSpec spec() {
            return executor.spec();
        }

        @Override
        public HostPages allocateHostPages(int count) {
            return executor.allocateHostPages(count);
        }

        @Override
        public List<FinishedTransfer> pollTransfers() {
            return executor.pollTransfers();
        }

        @Override
        public void close() {
            executor.close();
        }
    }
}
