package dev.sluice;

import dev.sluice.engine.EndSignals;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** The process: starts the Spring context and, through it, everything else. */
@SpringBootApplication
public class SluiceApplication {

    public static void main(String[] args) {
        SpringApplication application = new SpringApplication(SluiceApplication.class);
        application.addInitializers(EndSignals.install());
        application.run(args);
    }
}
