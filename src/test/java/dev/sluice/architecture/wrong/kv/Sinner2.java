package dev.sluice.architecture.wrong.kv;

import dev.sluice.architecture.wrong.api.Sinner;
import dev.sluice.architecture.wrong.api.wire.Shape;
import java.lang.foreign.Linker;
import java.time.Instant;
import java.util.concurrent.Executors;
import jdk.incubator.vector.FloatVector;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.util.StringUtils;
import tools.jackson.databind.json.JsonMapper;

/** Breaks one rule a line. */
public class Sinner2 {
    public Logger log = LoggerFactory.getLogger("wrong");

    public Object use() {
        System.out.println(Instant.now());
        Executors.newCachedThreadPool().shutdown();
        return new Object[] {
            new Sinner(),
            new Shape(),
            Linker.nativeLinker(),
            FloatVector.SPECIES_64,
            StringUtils.hasText(""),
            JsonMapper.shared()
        };
    }
}
