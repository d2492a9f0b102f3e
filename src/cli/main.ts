process.stdout.write('');

export {};
