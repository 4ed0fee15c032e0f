package dev.sluice.config;

import java.util.List;

/** What the served model can be called; the first name is the one that metrics carry. */
record ModelNames(List<String> all) {

    String first() {
        return all.getFirst();
    }
}
