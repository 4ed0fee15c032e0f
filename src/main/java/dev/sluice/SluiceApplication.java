package dev.sluice;

import dev.sluice.engine.EndSignals;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** The process: starts the Spring context and, through it, every room of the house. */
@SpringBootApplication
public class SluiceApplication {

    public static void main(String[] args) {
        SpringApplication application = new SpringApplication(SluiceApplication.class);
        application.addInitializers(EndSignals.install());
        application.run(args);
    }
}
