// The entry point: runs the command in argv.
import { readServeArguments } from './cli/serve-arguments.ts'

// A reader that closes the pipe early (`| head`) is not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

const args = process.argv.slice(2)
void loadProgram()
  .then(({ createProgram }) => createProgram(process).run(args))
  .then((status) => {
    process.exitCode = status
  })

/** A shell waits for the names that it completes, and a client for a gateway that its call starts: both need little of the rest. */
function loadProgram() {
  if (args[0] === 'complete') return import('./cli/completion/complete-program.ts')
  return readServeArguments(args) === undefined
    ? import('./cli/program.ts')
    : import('./cli/serve-program.ts')
}
