/** The usual path of a route of the API. @param below `/v1`; Ollama's own API is not below it. */
export function apiPath(below: string): string {
  return below.startsWith('/api/') ? below : `/v1${below}`
}
