// Paths to keys of the configuration file, as people write them.

/**
 * `models["llama3.1:8b"].targets[0].provider`; empty for the root.
 * @param path steps from the root: keys, and indexes of lists.
 */
export function formatPath(path: readonly (string | number)[]): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!/^[A-Za-z_][\w-]*$/.test(step)) text += `[${JSON.stringify(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}
