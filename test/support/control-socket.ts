// A client of a control socket that sends what a test wants.
import { request } from 'node:http'

interface Asked {
  readonly status: number | undefined
  readonly body: Record<string, unknown>
}

/** @param target `GET /-/state`. */
export function askSocket(
  socketPath: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  sent = '',
): Promise<Asked> {
  const [method, path] = target.split(' ')
  const { promise, resolve, reject } = Promise.withResolvers<Asked>()
  request({ socketPath, method, path, headers: { host: 'localhost', ...headers } }, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (piece: string) => (text += piece))
    response.on('end', () =>
      resolve({ status: response.statusCode, body: JSON.parse(text) as Asked['body'] }),
    )
  })
    .on('error', reject)
    .end(sent)
  return promise
}
