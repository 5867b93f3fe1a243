// Locates the package's own files, from the sources and from the bundle that is built of them.
import { fileURLToPath } from 'node:url'

const isBundled = !import.meta.url.endsWith('.ts')
/** `src/`, or `dist/` in the package. */
const codeFolder = new URL(isBundled ? '.' : '..', import.meta.url)

/** @param path relative to the package's root: `config/llm-gateway.yaml`. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(`../${path}`, codeFolder))
}

/** The file to run with Node to start this program. */
export function mainPath(): string {
  return fileURLToPath(new URL(isBundled ? 'main.cjs' : 'main.ts', codeFolder))
}
