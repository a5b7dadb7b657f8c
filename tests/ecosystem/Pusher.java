import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Pushes as a Java client does, over kept connections of java.net.http: a token, then records in
 * envelopes, 64 at once, and one recording in chunks. Prints how many were delivered.
 *
 * java Pusher.java TOKEN_URL CALLBACK ID SECRET PUSHES CA_PEM
 */
class Pusher {
    public static void main(String[] args) throws Exception {
        URI callback = URI.create(args[1]);
        int pushes = Integer.parseInt(args[4]);
        HttpClient client = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .sslContext(trusting(args[5]))
            .build();
        String token = token(client, URI.create(args[0]), args[2], args[3]);
        Semaphore atOnce = new Semaphore(64);
        List<CompletableFuture<Boolean>> replies = new ArrayList<>();
        for (int n = 0; n < pushes; n++) {
            atOnce.acquire();
            HttpRequest push = request(callback, token)
                .header("Content-Type", "application/json")
                .header("Client-Corelation-Id", UUID.randomUUID().toString())
                .POST(BodyPublishers.ofString(envelope(n)))
                .build();
            replies.add(client.sendAsync(push, BodyHandlers.ofString()).handle((reply, failure) -> {
                atOnce.release();
                return failure == null && isGood(reply);
            }));
        }
        long delivered = 0;
        for (CompletableFuture<Boolean> reply : replies) {
            delivered += reply.get() ? 1 : 0;
        }
        byte[] wav = new byte[300_000];
        System.arraycopy("RIFF".getBytes(StandardCharsets.US_ASCII), 0, wav, 0, 4);
        System.arraycopy("WAVE".getBytes(StandardCharsets.US_ASCII), 0, wav, 8, 4);
        String dialog = "e0a121ef1db64e398c1b9b2935fc4cdd45dc9ff6.1764246885953.e1597a55aff9452cbdb4ba570b115562";
        HttpRequest recording = request(URI.create(args[1].replaceFirst("[^/]+$", "wcr")), token)
            .header("Content-Type", "application/octet-stream")
            .header("X-OML-ORN", "storage:dw:5684ea55-332c-4156-a36a-6f5d5fdc406d:wcr:s3:us-east-1:2025/11/27/12/" + dialog + ".wav")
            .POST(BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(wav)))
            .build();
        boolean recorded = isGood(client.send(recording, BodyHandlers.ofString()));
        System.out.println("{\"delivered\":" + delivered + ",\"recorded\":" + recorded + "}");
    }

    private static HttpRequest.Builder request(URI to, String token) {
        return HttpRequest.newBuilder(to)
            .header("Accept", "application/json;v=1")
            .header("Authorization", "Bearer " + token);
    }

    private static String token(HttpClient client, URI url, String id, String secret) throws Exception {
        String pair = Base64.getEncoder().encodeToString((id + ":" + secret).getBytes(StandardCharsets.UTF_8));
        HttpRequest request = HttpRequest.newBuilder(url)
            .header("Authorization", "Basic " + pair)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(BodyPublishers.ofString("grant_type=client_credentials"))
            .build();
        HttpResponse<String> reply = client.send(request, BodyHandlers.ofString());
        if (reply.statusCode() != 200) {
            throw new IllegalStateException("token endpoint: HTTP " + reply.statusCode() + " " + reply.body());
        }
        String body = reply.body();
        int start = body.indexOf('"', body.indexOf(':', body.indexOf("\"access_token\""))) + 1;
        return body.substring(start, body.indexOf('"', start));
    }

    private static String envelope(int n) {
        String record = "{\"message_type\":\"dialog_end\",\"id\":\"java-" + n + "\",\"time\":1763012220333,"
            + "\"duration\":1.10,\"note\":\"" + "x".repeat(1500) + "\"}";
        return "{\"schemaName\":\"java\",\"sessionId\":\"" + UUID.randomUUID()
            + "\",\"sessionStartingSequenceNumber\":\"0\",\"messages\":[" + record + "]}";
    }

    private static boolean isGood(HttpResponse<String> reply) {
        return reply.statusCode() / 100 == 2 && reply.body().startsWith("{");
    }

    private static SSLContext trusting(String pem) throws Exception {
        KeyStore roots = KeyStore.getInstance(KeyStore.getDefaultType());
        roots.load(null);
        try (FileInputStream file = new FileInputStream(pem)) {
            roots.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(roots);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
