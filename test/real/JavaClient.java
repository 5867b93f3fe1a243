import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Calls BASE_URL with a client of the default version, which offers HTTP/2 with every call over plain text. */
public class JavaClient {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (boolean isStream : new boolean[] {false, true, false}) {
            String body = "{\"model\":\"plain\",\"stream\":" + isStream + ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
            HttpRequest request = HttpRequest.newBuilder(URI.create(args[0] + "/chat/completions"))
                    .header("content-type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString(body))
                    .build();
            if (isStream) {
                HttpResponse<java.util.stream.Stream<String>> response = client.send(request, HttpResponse.BodyHandlers.ofLines());
                System.out.println(response.statusCode() + " " + response.version());
                response.body().filter(line -> !line.isEmpty()).forEach(System.out::println);
            } else {
                HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
                System.out.println(response.statusCode() + " " + response.version());
                System.out.println(response.body());
            }
        }
    }
}
