#include <stdio.h>
int main(void) { puts(ARCH); return 0; }
