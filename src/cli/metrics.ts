// `llm-gateway metrics`: what `GET /metrics` of the running gateway answers, on standard output or in a file for node_exporter.
import { printable } from '../platform/printable.ts'
import { replaceFile } from '../platform/replace-file.ts'
import { askControl, problemOf } from './control-client.ts'
import { type CommandIo, Output } from './output.ts'

/** @returns the exit status: 0, or 1 when no gateway answers, it has no metrics, or the file cannot be written. */
export async function metricsCommand(
  io: CommandIo,
  { config, textfile }: { readonly config: string | undefined; readonly textfile: string | undefined },
): Promise<number> {
  const fail = (message: string) => {
    new Output(io.stderr, io.env).line(`error: ${printable(message)}`)
    return 1
  }
  const answer = await askControl(io.env, 'GET /-/metrics', config)
  if (answer.kind !== 'answered') return fail(problemOf(answer))
  const { text } = answer.body
  if (typeof text !== 'string') return fail('the gateway answered with something else than metrics')
  if (text === '') return fail('the gateway counts nothing: metrics.enabled and status.enabled are false')
  if (textfile === undefined) {
    io.stdout.write(text)
    return 0
  }
  try {
    // The collector runs as another user, so everybody may read it.
    replaceFile(textfile, text, { mode: 0o644 })
    return 0
  } catch (error) {
    return fail(`${textfile} cannot be written: ${(error as Error).message}`)
  }
}
