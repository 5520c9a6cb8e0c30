import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.formats.common.TimestampFormat;
import org.apache.flink.formats.json.debezium.DebeziumJsonDeserializationSchema;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;

/** Reads Debezium's JSON, one value a line (empty for a tombstone), with Flink's own format and prints the changelog. */
public class FlinkReader {
  public static void main(String[] args) throws Exception {
    DataType type = DataTypes.ROW(
        DataTypes.FIELD("id", DataTypes.BIGINT()),
        DataTypes.FIELD("name", DataTypes.STRING()),
        DataTypes.FIELD("price", DataTypes.DOUBLE()),
        DataTypes.FIELD("active", DataTypes.BOOLEAN()),
        DataTypes.FIELD("changed", DataTypes.TIMESTAMP_LTZ(6)));
    DebeziumJsonDeserializationSchema schema = new DebeziumJsonDeserializationSchema(
        type, Collections.emptyList(), TypeInformation.of(RowData.class), false, false, TimestampFormat.ISO_8601);
    schema.open(null);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      List<RowData> rows = new ArrayList<>();
      try {
        schema.deserialize(line.isEmpty() ? null : line.getBytes(StandardCharsets.UTF_8), new ListCollector<>(rows));
      } catch (Exception e) {
        Throwable cause = e;
        while (cause.getCause() != null) {
          cause = cause.getCause();
        }
        System.out.println("error " + cause.getMessage());
      }
      for (RowData row : rows) {
        System.out.println(row.getRowKind().shortString() + "|" + row.getLong(0) + "|" + row.getString(1) + "|"
            + (row.isNullAt(2) ? "null" : row.getDouble(2)) + "|" + (row.isNullAt(3) ? "null" : row.getBoolean(3)) + "|"
            + (row.isNullAt(4) ? "null" : row.getTimestamp(4, 6).toInstant()));
      }
    }
  }
}
