// Why a model server does not run, in words where the word alone does not show what to do.
const sentences: Readonly<Record<string, string>> = {
  'configuration-changed': 'the configuration file has changed: reload the gateway',
}

/** @param result as `NotStarted.result` has it. */
export function resultText(result: string): string {
  return sentences[result] ?? result
}
