package dev.sluice.it;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Few rows in which every two values of two different parameters meet, found greedily. */
final class AllPairs {

    private record Pair(int first, int firstValue, int second, int secondValue) {}

    private AllPairs() {}

    static List<List<String>> of(List<List<String>> parameters) {
        Set<Pair> open = new LinkedHashSet<>();
        for (int i = 0; i < parameters.size(); i++) {
            for (int j = i + 1; j < parameters.size(); j++) {
                for (int a = 0; a < parameters.get(i).size(); a++) {
                    for (int b = 0; b < parameters.get(j).size(); b++) {
                        open.add(new Pair(i, a, j, b));
                    }
                }
            }
        }
        List<List<String>> rows = new ArrayList<>();
        while (!open.isEmpty()) {
            int[] row = row(parameters, open);
            open.removeIf(pair -> row[pair.first()] == pair.firstValue() && row[pair.second()] == pair.secondValue());
            List<String> values = new ArrayList<>();
            for (int i = 0; i < row.length; i++) {
                values.add(parameters.get(i).get(row[i]));
            }
            rows.add(values);
        }
        return rows;
    }

    /** Begins with an open pair, then gives each parameter the value that closes most pairs with those before. */
    private static int[] row(List<List<String>> parameters, Set<Pair> open) {
        int[] row = new int[parameters.size()];
        Arrays.fill(row, -1);
        Pair seed = open.iterator().next();
        row[seed.first()] = seed.firstValue();
        row[seed.second()] = seed.secondValue();
        for (int i = 0; i < row.length; i++) {
            if (row[i] >= 0) {
                continue;
            }
            int best = 0;
            int most = -1;
            for (int value = 0; value < parameters.get(i).size(); value++) {
                int closed = 0;
                for (int j = 0; j < row.length; j++) {
                    Pair pair = i < j ? new Pair(i, value, j, row[j]) : new Pair(j, row[j], i, value);
                    closed += j != i && row[j] >= 0 && open.contains(pair) ? 1 : 0;
                }
                if (closed > most) {
                    most = closed;
                    best = value;
                }
            }
            row[i] = best;
        }
        return row;
    }
}
