// The entry point: runs the command in argv.
import { createProgram } from './cli/program.ts'

// A reader that closes the pipe early (`| head`) is not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

void createProgram(process)
  .run(process.argv.slice(2))
  .then((status) => {
    process.exitCode = status
  })
