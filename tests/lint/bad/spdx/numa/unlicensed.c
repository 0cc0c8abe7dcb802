/* BAD: whose is it? */
